import type { ServerResponse } from "node:http"
import { afterEach, expect, expectTypeOf, test } from "vitest"
import { Client, type Process } from "./index.js"
import { sendJson, startTestServer, type SeenRequest } from "./testing/test-server.js"

const info = {
  id: "7-1893456000000",
  pid: 7,
  command: "make dev",
  running: true,
  exitCode: null,
  signal: null,
  started_at: "2030-01-01T00:00:00.000Z",
}

type Answer = (request: SeenRequest, response: ServerResponse) => void

let server: Awaited<ReturnType<typeof startTestServer>>

afterEach(() => server[Symbol.asyncDispose]())

/** A process on a server whose output is what `output` says, and other requests what `other` does. */
async function startProcess(output: Answer, other: Answer = notFound): Promise<Process> {
  server = await startTestServer((request, response) => {
    if (request.path === "/vms/box/processes") sendJson(response, 201, info)
    else if (request.path.includes("/output")) output(request, response)
    else other(request, response)
  })
  const started = await new Client("ws_k", server.url).sandbox("box").start("make dev", { cwd: "app" })
  if (!started.success) throw new Error(started.error)
  return started.process
}

const notFound: Answer = (_, response) => {
  sendJson(response, 404, { error: "None.", code: "not_found" })
}

function begin(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "text/event-stream" })
  response.write(": running\n\n")
}

function send(response: ServerResponse, name: string, data: unknown, id?: number): void {
  response.write(`${id === undefined ? "" : `id: ${id}\n`}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`)
}

const base64 = (...bytes: number[]) => ({ base64: Buffer.from(bytes).toString("base64") })
const text = (content: string) => ({ base64: Buffer.from(content).toString("base64") })

async function all<T>(pieces: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const piece of pieces) found.push(piece)
  return found
}

const outputPaths = () => server.requests.map(({ path }) => path).filter((path) => path.includes("/output"))

test("a process is started with what was asked", async () => {
  const process = await startProcess(notFound)
  expect(process.pid).toBe(7)
  expect(JSON.parse(server.requests[0]?.body ?? "")).toEqual({ command: "make dev", cwd: "app" })
})

test("text comes without a character that is split, and each stream by itself", async () => {
  const process = await startProcess(({ path }, response) => {
    begin(response)
    if (path.includes("streams=stderr")) send(response, "stderr", text("err"), 3)
    else {
      send(response, "stdout", base64(0x61, 0xc3), 2)
      send(response, "stdout", base64(0xa4), 3)
      send(response, "stdout", base64(0xe2, 0x82), 5)
    }
    send(response, "exit", { exitCode: 0, signal: null })
    response.end()
  })
  expect(await all(process.stdout)).toEqual(["a", "ä", "\ufffd"])
  expect(await all(process.stderr)).toEqual(["err"])
})

test("a connection that breaks off is made anew, where it was", async () => {
  const process = await startProcess(({ path }, response) => {
    begin(response)
    if (path.includes("offset=0")) {
      send(response, "stdout", base64(0xc3), 1)
      setTimeout(() => response.destroy(), 20)
    } else {
      send(response, "stdout", base64(0xa4), 2)
      send(response, "exit", { exitCode: 0, signal: null })
      response.end()
    }
  })
  expect((await all(process.stdout)).join("")).toBe("ä")
  expect(outputPaths()).toEqual([
    "/vms/box/processes/7-1893456000000/output?streams=stdout&offset=0&follow=true",
    "/vms/box/processes/7-1893456000000/output?streams=stdout&offset=1&follow=true",
  ])
})

test("both streams come in their order, and what was lost is told in between", async () => {
  server = await startTestServer(({ path }, response) => {
    if (!path.includes("/output")) {
      sendJson(response, 200, info)
      return
    }
    begin(response)
    send(response, "stderr", text("1"), 1)
    send(response, "skipped", { bytes: 5 }, 6)
    send(response, "stdout", text("2"), 7)
    send(response, "replayed", {})
    response.end()
  })
  const told: (number | string)[] = []
  const attached = await new Client("ws_k", server.url).sandbox("box").attach(7, {
    encoding: "buffer",
    follow: false,
    onSkipped: (bytes) => told.push(bytes),
  })
  if (!attached.success) throw new Error(attached.error)
  expectTypeOf(attached.process).toEqualTypeOf<Process<Uint8Array<ArrayBuffer>>>()
  for await (const { stream, data } of attached.process.output) {
    told.push(`${stream} ${Buffer.from(data).toString()}`)
  }
  expect(told).toEqual(["stderr 1", 5, "stdout 2"])
  expect(outputPaths()).toEqual(["/vms/box/processes/7-1893456000000/output?streams=both&follow=false"])
})

test("wait gives the end, or why there is none", async () => {
  const process = await startProcess((_, response) => {
    begin(response)
    if (outputPaths().length === 1) send(response, "exit", { exitCode: null, signal: "SIGKILL" })
    else send(response, "error", { error: "The sandbox went back.", code: "interrupted" })
    response.end()
  })
  expect(await process.wait()).toEqual({ success: true, exitCode: null, signal: "SIGKILL" })
  expect(await process.wait()).toEqual({
    success: false,
    error: "The sandbox went back.",
    code: "interrupted",
  })
  expect(outputPaths()[0]).toContain("streams=none")
})

test("a wait that is answered without an end fails", async () => {
  const process = await startProcess((_, response) => {
    begin(response)
    send(response, "replayed", {})
    response.end()
  })
  expect(await process.wait()).toMatchObject({ success: false, code: "unavailable" })
})

test("detaching ends what is being read and waited for, and the connections with it", async () => {
  let open = 0
  const process = await startProcess((_, response) => {
    open += 1
    response.on("close", () => (open -= 1))
    begin(response)
    send(response, "stdout", text("x"), 1)
  })
  const read = all(process.stdout)
  const waited = process.wait()
  await expect.poll(() => open).toBe(2)
  process.detach()
  expect(await read).toEqual(["x"])
  expect(await waited).toMatchObject({ success: false, code: "aborted" })
  expect(await process.stdin.write("x")).toMatchObject({ success: false, code: "aborted" })
  await expect.poll(() => open).toBe(0)
})

test("whoever stops reading closes the connection", async () => {
  let open = 0
  const process = await startProcess((_, response) => {
    open += 1
    response.on("close", () => (open -= 1))
    begin(response)
    send(response, "stdout", text("x"), 1)
  })
  for await (const piece of process.stdout) {
    expect(piece).toBe("x")
    break
  }
  await expect.poll(() => open).toBe(0)
})

test("input is sent in the order of the calls, and again what the process did not take", async () => {
  let taken = ""
  const process = await startProcess(notFound, ({ path, body }, response) => {
    const some = body.slice(0, 3)
    taken += some + (path.endsWith("end=true") && some === body ? "." : "")
    sendJson(response, 200, { written: some.length })
  })
  const first = process.stdin.write("hello ")
  const second = process.stdin.end(new TextEncoder().encode("world"))
  expect([await first, await second]).toEqual([{ success: true }, { success: true }])
  expect(taken).toBe("hello world.")
})

test("signals and sizes are sent, and the end of a block kills", async () => {
  const process = await startProcess(notFound, (_, response) => {
    sendJson(response, 200, { message: "done" })
  })
  expect(await process.kill()).toEqual({ success: true, message: "done" })
  expect(await process.resize(80, 24)).toEqual({ success: true, message: "done" })
  await process[Symbol.asyncDispose]()
  const sent = server.requests.filter(({ method }) => method === "POST").slice(1)
  expect(sent.map(({ path, body }) => [path, JSON.parse(body) as unknown])).toEqual([
    ["/vms/box/processes/7-1893456000000/signal", { signal: "SIGTERM" }],
    ["/vms/box/processes/7-1893456000000/resize", { cols: 80, rows: 24 }],
    ["/vms/box/processes/7-1893456000000/signal", { signal: "SIGKILL" }],
  ])
})

test("a process that has ended needs no killing, and one that cannot be killed is told", async () => {
  await expect((await startProcess(notFound))[Symbol.asyncDispose]()).resolves.toBeUndefined()
  await server[Symbol.asyncDispose]()
  const process = await startProcess(notFound, (_, response) => {
    sendJson(response, 500, { error: "Broken.", code: "internal" })
  })
  await expect(process[Symbol.asyncDispose]()).rejects.toThrow("Broken.")
})

test("processes are listed, and nobody attaches to one that is not there", async () => {
  server = await startTestServer((request, response) => {
    if (request.path === "/vms/box/processes") sendJson(response, 200, { processes: [info] })
    else notFound(request, response)
  })
  const sandbox = new Client("ws_k", server.url).sandbox("box")
  expect(await sandbox.processes()).toEqual({ success: true, processes: [info] })
  expect(await sandbox.attach(8)).toMatchObject({ success: false, code: "not_found" })
})
