import { afterEach, expect, expectTypeOf, test, vi } from "vitest"
import {
  Client,
  Sandbox,
  type CreateResult,
  type ErrorCode,
  type InfoResult,
  type ListResult,
  type RunResult,
  type SimpleResult,
  type Snapshot,
  type SnapshotsResult,
  type UnrecordedRunResult,
  type VMInfo,
} from "./index.js"
import { sendJson, startTestServer } from "./testing/test-server.js"

const vm: VMInfo = {
  id: 1,
  name: "box",
  status: "running",
  agent_port: 40001,
  ssh_port: 40002,
  agentHealthy: true,
  accelerator: "tcg",
  network: "none",
  snapshots: "disk",
  cpus: 1,
  memory_mb: 512,
  disk_gb: 10,
  idle_timeout: null,
  expires_at: null,
  degraded: null,
  created_at: "2026-01-02T03:04:05.678Z",
}

const snapshot: Snapshot = {
  id: 1,
  vm_name: "box",
  snapshot_name: "initial",
  label: null,
  parent: null,
  command: null,
  exit_code: null,
  duration_ms: null,
  bytes: 0,
  kind: "disk",
  damaged: false,
  degraded: false,
  created_at: "2026-01-02T03:04:05.678Z",
}

const runAnswer = {
  stdout: "hello\n",
  stderr: "",
  exitCode: 0,
  snapshot: "cmd_1",
  stdoutTruncated: false,
  stderrTruncated: false,
}

/** A server that gives every request the same answer. */
const serverThatSays = (body: unknown, status = 200) =>
  startTestServer((_request, response) => {
    sendJson(response, status, body)
  })

afterEach(() => {
  vi.unstubAllEnvs()
})

test("create posts the name with the key and gives a sandbox", async () => {
  await using server = await serverThatSays(vm, 201)
  const result = await new Client("ws_k", server.url).create("box")
  expect(result).toMatchObject({ success: true, sandbox: { name: "box" }, reused: false })
  expect(result.success && result.sandbox).toBeInstanceOf(Sandbox)
  expect(server.requests).toMatchObject([
    { method: "POST", path: "/vms", body: '{"name":"box"}', headers: { "x-api-key": "ws_k" } },
  ])
})

test("create tells whether the sandbox was there already", async () => {
  await using server = await serverThatSays(vm, 200)
  const result = await new Client("ws_k", server.url).create("box", { reuse: true })
  expect(result).toMatchObject({ success: true, sandbox: { name: "box" }, reused: true })
  expect(server.requests[0]?.body).toBe('{"name":"box","reuse":true}')
})

test("a sandbox is destroyed at the end of its block, however that is left", async () => {
  await using server = await serverThatSays({ message: "destroyed" })
  const use = async () => {
    await using sandbox = new Client("ws_k", server.url).sandbox("box")
    throw new Error(`${sandbox.name} is in use`)
  }
  await expect(use()).rejects.toThrow("box is in use")
  expect(server.requests).toMatchObject([{ method: "DELETE", path: "/vms/box" }])
})

test("the end of a block throws when the sandbox cannot be destroyed, but not when it is gone", async () => {
  const disposal = async (status: number, code: string) => {
    await using server = await serverThatSays({ error: "no", code }, status)
    await new Client("ws_k", server.url).sandbox("box")[Symbol.asyncDispose]()
  }
  await expect(disposal(409, "busy")).rejects.toMatchObject({ name: "OpenSandboxError", code: "busy" })
  await disposal(404, "not_found")
})

test("list gives the sandboxes", async () => {
  await using server = await serverThatSays({ vms: [vm] })
  expect(await new Client("ws_k", server.url).list()).toEqual({ success: true, vms: [vm] })
})

test("each method of a sandbox asks for its own path", async () => {
  await using server = await startTestServer((request, response) => {
    const answers: Record<string, unknown> = {
      "POST /vms/box/run": runAnswer,
      "GET /vms/box/snapshots": { snapshots: [snapshot] },
      "POST /vms/box/snapshots/cmd_1/restore": { message: "restored" },
      "GET /vms/box": vm,
      "POST /vms/box/wipe": { message: "wiped" },
      "DELETE /vms/box": { message: "destroyed" },
    }
    sendJson(response, 200, answers[`${request.method} ${request.path}`])
  })
  const box = new Client("ws_k", server.url).sandbox("box")
  expect(box.name).toBe("box")
  expect(await box.run("echo hello")).toEqual({ success: true, ...runAnswer })
  expect(await box.snapshots()).toEqual({ success: true, snapshots: [snapshot] })
  expect(await box.restore("cmd_1")).toEqual({ success: true, message: "restored" })
  expect(await box.info()).toEqual({ success: true, vm })
  expect(await box.wipe()).toEqual({ success: true, message: "wiped" })
  expect(await box.destroy()).toEqual({ success: true, message: "destroyed" })
})

test("each method of time travel asks for its own path, with what it was given", async () => {
  const restored = { message: "restored", kept: "box-kept", degraded: "its memory is damaged" }
  const undone = { message: "undone", snapshot: "initial" }
  const diff = {
    from: "v1",
    to: null,
    changes: [{ path: "/workspace/a", change: "added", type: "file", size: 5, previous_size: null }],
    truncated: false,
    patch: "",
  }
  const retention = {
    keep_last: 5,
    keep_days: null,
    max_bytes: null,
    quota_bytes: null,
    bytes: 4096,
    snapshots: 2,
  }
  const answers: Record<string, unknown> = {
    "POST /vms/box/snapshots": snapshot,
    "DELETE /vms/box/snapshots/v1": { message: "deleted" },
    "POST /vms/box/snapshots/v1/restore": restored,
    "POST /vms/box/undo": undone,
    "POST /vms/box/fork": { ...vm, name: "fork" },
    "POST /vms/box/forks": {
      vms: [
        { ...vm, name: "one" },
        { ...vm, name: "two" },
      ],
    },
    "GET /vms/box/diff?from=v1&patch=a%20%26%20b": diff,
    "GET /vms/box/diff?from=initial&to=v1": diff,
    "GET /vms/box/retention": retention,
    "PUT /vms/box/retention": retention,
  }
  await using server = await startTestServer((request, response) => {
    sendJson(response, 200, answers[`${request.method} ${request.path}`])
  })
  const client = new Client("ws_k", server.url)
  const box = client.sandbox("box")

  expect(await box.snapshot("v1")).toEqual({ success: true, snapshot })
  expect(await box.deleteSnapshot("v1")).toEqual({ success: true, message: "deleted" })
  expect(await box.restore("v1", { keep: true })).toEqual({ success: true, ...restored })
  expect(await box.undo()).toEqual({ success: true, ...undone })
  expect(await box.fork("fork", { snapshot: "v1" })).toMatchObject({
    success: true,
    sandbox: { name: "fork" },
  })
  expect(await client.fork("box", ["one", "two"])).toMatchObject({
    success: true,
    sandboxes: [{ name: "one" }, { name: "two" }],
  })
  expect(await box.snapshot("v2", { memory: true })).toEqual({ success: true, snapshot })
  expect(await box.fork("fork", { memory: true })).toMatchObject({ success: true })
  expect(await client.fork("box", ["one", "two"], { memory: true })).toMatchObject({ success: true })
  expect(await box.diff("v1", undefined, { patch: "a & b" })).toEqual({ success: true, ...diff })
  expect(await box.diff("initial", "v1")).toMatchObject({ success: true })
  expect(await box.retention()).toEqual({ success: true, retention })
  expect(await box.setRetention({ keep_last: 5, keep_days: null })).toEqual({ success: true, retention })
  expect(server.requests.flatMap(({ body }) => (body === "" ? [] : [JSON.parse(body) as unknown]))).toEqual([
    { label: "v1" },
    { keep: true },
    { name: "fork", snapshot: "v1" },
    { names: ["one", "two"] },
    { label: "v2", memory: true },
    { name: "fork", memory: true },
    { names: ["one", "two"], memory: true },
    { keep_last: 5, keep_days: null },
  ])
})

test("what its snapshots hold can come with a new sandbox", async () => {
  await using server = await serverThatSays(vm, 201)
  await new Client("ws_k", server.url).create("box", { snapshots: "machine" })
  expect(server.requests[0]?.body).toBe('{"name":"box","snapshots":"machine"}')
})

test("limits can come with a new sandbox", async () => {
  await using server = await serverThatSays(vm, 201)
  await new Client("ws_k", server.url).create("box", { retention: { quota_bytes: null } })
  expect(server.requests[0]?.body).toBe('{"name":"box","retention":{"quota_bytes":null}}')
})

test("a command that takes no snapshot says so, and its result has none", async () => {
  const unrecorded = { ...runAnswer, snapshot: null }
  await using server = await serverThatSays(unrecorded)
  const box = new Client("ws_k", server.url).sandbox("box")
  const result = await box.run("true", { snapshot: false, timeout: 5 })
  expect(result).toEqual({ success: true, ...unrecorded })
  expectTypeOf(result).toEqualTypeOf<UnrecordedRunResult>()
  expect(server.requests[0]?.body).toBe('{"command":"true","timeout":5,"snapshot":false}')
  expect(await box.run("true", { timeout: 5 })).toMatchObject({ success: false, code: "internal" })
})

test("a file of a snapshot comes as bytes and as text", async () => {
  const bytes = Uint8Array.of(0xef, 0xbb, 0xbf, 0x61, 0xff)
  await using server = await startTestServer((_request, response) => {
    response.writeHead(200, { "content-type": "application/octet-stream" }).end(bytes)
  })
  const result = await new Client("ws_k", server.url).sandbox("box").readAt("v1", "/etc/ü")
  expect(result).toEqual({ success: true, bytes, content: "\ufeffa\ufffd" })
  expect(server.requests[0]?.path).toBe("/vms/box/snapshots/v1/file?path=%2Fetc%2F%C3%BC")
})

test("an archive goes from one server to another as it comes", async () => {
  const archive = new Uint8Array(3_000_000).fill(0x61)
  await using here = await startTestServer((_request, response) => {
    response.writeHead(200, { "content-type": "application/zstd" }).end(archive)
  })
  await using there = await serverThatSays(vm, 201)
  const exported = await new Client("ws_k", here.url).sandbox("box").export({ snapshot: "v1", image: false })
  if (!exported.success) throw new Error(exported.error)
  const imported = await new Client("ws_k", there.url).import("box", exported.archive)

  expect(imported).toMatchObject({ success: true, sandbox: { name: "box" } })
  expect(here.requests[0]?.path).toBe("/vms/box/export?snapshot=v1&image=false")
  expect(there.requests).toMatchObject([{ method: "POST", path: "/vms/box/import" }])
  expect(there.requests[0]?.body.length).toBe(archive.length)
})

test("run sends a timeout of 30 seconds when left out, and what it is given otherwise", async () => {
  await using server = await serverThatSays(runAnswer)
  const box = new Client("ws_k", server.url).sandbox("box")
  await box.run("a")
  await box.run("b", 0.1234)
  await box.run("c", Number.NaN)
  expect(server.requests.map((request) => JSON.parse(request.body) as unknown)).toEqual([
    { command: "a", timeout: 30 },
    { command: "b", timeout: 0.1234 },
    { command: "c", timeout: null },
  ])
})

test("a failure carries the server's words, code and what was printed", async () => {
  const body = { error: "killed after 1 s", code: "timeout", stdout: "half", stderr: "" }
  await using server = await serverThatSays(body, 504)
  const box = new Client("ws_k", server.url).sandbox("box")
  expect(await box.run("sleep 9", 1)).toEqual({ success: false, ...body })
})

test("a command is sent once, even when the server fails", async () => {
  await using server = await serverThatSays({ error: "down", code: "unavailable" }, 503)
  const box = new Client("ws_k", server.url).sandbox("box")
  expect(await box.run("true")).toMatchObject({ success: false, code: "unavailable" })
  expect(server.requests).toHaveLength(1)
})

test("a name is one segment of the path, whatever it holds", async () => {
  await using server = await serverThatSays({ error: "no", code: "not_found" }, 404)
  const client = new Client("ws_k", server.url)
  await client.sandbox("a/../b?c#d").info()
  expect(server.requests[0]?.path).toBe("/vms/a%2F..%2Fb%3Fc%23d")
})

test.each(["", ".", "..", "\ud800"])("no request is made for the name %j", async (name) => {
  await using server = await serverThatSays({ snapshots: [] })
  const result = await new Client("ws_k", server.url).sandbox(name).snapshots()
  expect(result).toMatchObject({ success: false, code: "invalid_request" })
  expect(server.requests).toEqual([])
})

test("a command with a long timeout is answered as an event stream", async () => {
  await using server = await startTestServer((_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" })
    response.write(": working\n\n")
    response.end(`event: result\ndata: ${JSON.stringify(runAnswer)}\n\n`)
  })
  const box = new Client("ws_k", server.url).sandbox("box")
  expect(await box.run("make", 121)).toEqual({ success: true, ...runAnswer })
  expect(server.requests[0]?.headers.accept).toContain("text/event-stream")
})

test("an event stream can end in an error, or too early", async () => {
  let events = 'event: error\ndata: {"error":"killed","code":"timeout","stdout":"half"}\n\n'
  await using server = await startTestServer((_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" })
    response.end(events)
  })
  const box = new Client("ws_k", server.url).sandbox("box")
  expect(await box.run("x", 600)).toEqual({
    success: false,
    error: "killed",
    code: "timeout",
    stdout: "half",
  })
  events = ": working\n\n"
  expect(await box.run("x", 600)).toMatchObject({ success: false, code: "unavailable" })
})

test("key and address come from the environment when left out", async () => {
  await using server = await serverThatSays({ vms: [] })
  vi.stubEnv("OPENSANDBOX_API_KEY", "ws_env")
  vi.stubEnv("OPENSANDBOX_BASE_URL", `${server.url}/`)
  expect(await new Client().list()).toEqual({ success: true, vms: [] })
  expect(server.requests).toMatchObject([{ path: "/vms", headers: { "x-api-key": "ws_env" } }])
})

test("without a key every method fails as unauthorized and says what to do", async () => {
  vi.stubEnv("OPENSANDBOX_API_KEY", undefined)
  const result = await new Client().list()
  expect(result).toMatchObject({ success: false, code: "unauthorized" })
  expect(!result.success && result.error).toContain("OPENSANDBOX_API_KEY")
})

test("a key that no header can carry fails as unauthorized", async () => {
  expect(await new Client("ws_\n").list()).toMatchObject({ success: false, code: "unauthorized" })
})

test("wrong use in code throws a TypeError", async () => {
  const five = 5 as unknown as string
  expect(() => new Client(five)).toThrow(TypeError)
  expect(() => new Client("ws_k").sandbox(five)).toThrow(TypeError)
  await expect(new Client("ws_k").create(five)).rejects.toThrow(TypeError)
  await expect(new Client("ws_k").fork("box", [five])).rejects.toThrow(TypeError)
  await expect(new Client("ws_k").sandbox("box").readAt("initial", five)).rejects.toThrow(TypeError)
})

test("results are told apart by success", () => {
  expectTypeOf<Extract<CreateResult, { success: true }>["sandbox"]>().toEqualTypeOf<Sandbox>()
  expectTypeOf<Extract<ListResult, { success: true }>["vms"]>().toEqualTypeOf<VMInfo[]>()
  expectTypeOf<Extract<SnapshotsResult, { success: true }>["snapshots"]>().toEqualTypeOf<Snapshot[]>()
  expectTypeOf<Extract<InfoResult, { success: true }>["vm"]>().toEqualTypeOf<VMInfo>()
  expectTypeOf<Extract<SimpleResult, { success: true }>>().toEqualTypeOf<{ success: true; message: string }>()
  expectTypeOf<Extract<RunResult, { success: true }>>().toExtend<{
    stdout: string
    stderr: string
    exitCode: number
    snapshot: string
  }>()
  expectTypeOf<Extract<RunResult, { success: false }>>().toExtend<{ error: string; code: ErrorCode }>()
  expectTypeOf<Snapshot["command"]>().toEqualTypeOf<string | null>()
})
