import { expect, expectTypeOf, test } from "vitest"
import {
  Client,
  type BinaryRunResult,
  type RunResult,
  type UnrecordedBinaryRunResult,
  type UnrecordedRunResult,
} from "./index.js"
import { sendJson, startTestServer } from "./testing/test-server.js"

const ran = {
  stdout: "héllo\n",
  stderr: "",
  exitCode: 0,
  snapshot: "cmd_1",
  stdoutTruncated: false,
  stderrTruncated: false,
}

const bytes = Uint8Array.of(0, 255, 10)
const ranBytes = { ...ran, stdout: "AP8K" }

const eventText = (name: string, data: unknown) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`

/** A server that gives every request these events, or the JSON. */
function serverThatTells(answer: readonly (readonly [string, unknown])[] | object) {
  return startTestServer((_request, response) => {
    if (!Array.isArray(answer)) {
      sendJson(response, 200, answer)
      return
    }
    response.writeHead(200, { "content-type": "text/event-stream" })
    for (const [name, data] of answer as [string, unknown][]) response.write(eventText(name, data))
    response.end()
  })
}

type Server = Awaited<ReturnType<typeof serverThatTells>>

const box = ({ url }: Server) => new Client("ws_k", url).sandbox("box")
const bodiesOf = ({ requests }: Server) => requests.map(({ body }) => JSON.parse(body) as unknown)

test("everything that a command is told goes with it", async () => {
  await using server = await serverThatTells(ran)
  const settings = { cwd: "src", env: { A: "1" }, stdin: "in\n" }
  await box(server).run("ls", { ...settings, user: 1000, timeout: 5 })
  await box(server).run("ls", { user: "nobody", stdin: bytes })
  expect(bodiesOf(server)).toEqual([
    { command: "ls", timeout: 5, ...settings, user: "1000" },
    { command: "ls", timeout: 30, user: "nobody", stdin: { base64: "AP8K" } },
  ])
  expect(server.requests[0]?.headers.accept).toBe("application/json")
})

test("output is told as it comes, each piece after the one before was handled", async () => {
  await using server = await serverThatTells([
    ["stdout", "h"],
    ["stderr", "e"],
    ["stdout", "é"],
    ["progress", "of the future"],
    ["result", ran],
  ])
  const told: string[] = []
  const tell = (name: string) => async (text: string) => {
    told.push(`${name} ${text}`)
    await new Promise((resolve) => setImmediate(resolve))
    told.push("done")
  }
  const result = await box(server).run("x", { onStdout: tell("out"), onStderr: tell("err") })
  expect(result).toEqual({ success: true, ...ran })
  expect(told).toEqual(["out h", "done", "err e", "done", "out é", "done", "out llo\n", "done"])
  expect(bodiesOf(server)).toEqual([{ command: "x", timeout: 30, stream: true }])
  expect(server.requests[0]?.headers.accept).toContain("text/event-stream")
})

test("what a server does not tell meanwhile is told with the result, where nothing is missing in between", async () => {
  await using server = await serverThatTells(ran)
  const told: string[] = []
  expect(await box(server).run("x", { onStdout: (text) => told.push(text) })).toMatchObject({ success: true })
  expect(told).toEqual([ran.stdout])
  await using more = await serverThatTells([
    ["stdout", "héllo\nand more"],
    ["result", { ...ran, stdoutTruncated: true }],
  ])
  await box(more).run("x", { onStdout: (text) => told.push(text) })
  expect(told).toEqual([ran.stdout, "héllo\nand more"])
})

test("output can be bytes", async () => {
  await using server = await serverThatTells([
    ["stdout", "AA=="],
    ["result", ranBytes],
  ])
  const told: Uint8Array[] = []
  const result = await box(server).run("x", { encoding: "buffer", onStdout: (chunk) => told.push(chunk) })
  expect(result).toEqual({ success: true, ...ran, stdout: bytes, stderr: new Uint8Array() })
  expect(told).toEqual([Uint8Array.of(0), Uint8Array.of(255, 10)])
  expect(bodiesOf(server)).toEqual([{ command: "x", timeout: 30, encoding: "base64", stream: true }])
})

test("bytes that are written in another way are a failure", async () => {
  await using server = await serverThatTells({ ...ran, stdout: "hé" })
  expect(await box(server).run("x", { encoding: "buffer" })).toMatchObject({
    success: false,
    code: "internal",
  })
})

test("a stream that ends in an error is a failure with what was printed, as text", async () => {
  const error = { error: "killed", code: "timeout", stdout: "half", stderr: "" }
  await using server = await serverThatTells([
    ["stdout", btoa("half")],
    ["error", error],
  ])
  const told: string[] = []
  const onStdout = (chunk: Uint8Array) => told.push(new TextDecoder().decode(chunk))
  expect(await box(server).run("x", { encoding: "buffer", onStdout })).toEqual({ success: false, ...error })
  expect(told).toEqual(["half"])
})

test("what a listener throws, run throws, and the server is told by the connection's end", async () => {
  let closed: () => void = () => undefined
  const gone = new Promise<void>((resolve) => (closed = resolve))
  await using server = await startTestServer((_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" })
    response.write(eventText("stdout", "a"))
    response.on("close", closed)
  })
  const trouble = new Error("the listener's own")
  const run = box(server).run("x", {
    onStdout: () => {
      throw trouble
    },
  })
  await expect(run).rejects.toBe(trouble)
  await gone
})

test.each(["before", "while it runs", "while it prints"])("a run can be aborted %s", async (when) => {
  const stop = new AbortController()
  let closed: () => void = () => undefined
  const gone = new Promise<void>((resolve) => (closed = resolve))
  await using server = await startTestServer((_request, response) => {
    response.on("close", closed)
    if (when === "while it runs") stop.abort()
    else {
      response.writeHead(200, { "content-type": "text/event-stream" })
      response.write(eventText("stdout", "a"))
    }
  })
  if (when === "before") stop.abort()
  const onStdout = () => {
    stop.abort()
  }
  const options = { signal: stop.signal, ...(when === "while it prints" && { onStdout }) }
  expect(await box(server).run("x", options)).toMatchObject({ success: false, code: "aborted" })
  if (when === "before") expect(server.requests).toEqual([])
  else await gone
})

test("a signal that is aborted after the result changes nothing", async () => {
  await using server = await serverThatTells(ran)
  const stop = new AbortController()
  const result = await box(server).run("x", { signal: stop.signal })
  stop.abort()
  expect(result).toEqual({ success: true, ...ran })
})

test("what a run gives is told by its options", () => {
  const sandbox = new Client("ws_k").sandbox("box")
  const runs = {
    text: () => sandbox.run("x", { cwd: "/", onStdout: (text) => text.trim() }),
    unrecorded: () => sandbox.run("x", { snapshot: false }),
    bytes: () => sandbox.run("x", { encoding: "buffer", onStdout: (chunk) => chunk.byteLength }),
    unrecordedBytes: () => sandbox.run("x", { encoding: "buffer", snapshot: false }),
  }
  expectTypeOf(runs.text).returns.resolves.toEqualTypeOf<RunResult>()
  expectTypeOf(runs.unrecorded).returns.resolves.toEqualTypeOf<UnrecordedRunResult>()
  expectTypeOf(runs.bytes).returns.resolves.toEqualTypeOf<BinaryRunResult>()
  expectTypeOf(runs.unrecordedBytes).returns.resolves.toEqualTypeOf<UnrecordedBinaryRunResult>()
})
