import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { Failure } from "../failure.js"
import type { RunRequest } from "../sandboxes/sandbox-service.js"
import { echoOf } from "../testing/fake-sandboxes.js"
import { createTestServer, type TestServer } from "../testing/test-server.js"

let server: TestServer

beforeEach(async () => {
  server = await createTestServer()
})
afterEach(() => server.close())

interface Sent {
  key?: string
  body?: unknown
  headers?: Record<string, string>
}

async function send(method: string, path: string, { key = server.keys.user, body, headers }: Sent = {}) {
  const request = {
    method,
    headers: { ...(key !== "" && { "x-api-key": key }), ...headers },
    ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
  }
  const response = await server.app.request(path, request, {})
  return { status: response.status, headers: response.headers, body: (await response.json()) as unknown }
}

async function createBox(): Promise<void> {
  await send("POST", "/vms", { body: { name: "box" } })
}

describe("the API", () => {
  it("tells anyone that it is up", async () => {
    const { status, body } = await send("GET", "/health", { key: "" })

    expect({ status, body }).toEqual({
      status: 200,
      body: { status: "ok", timestamp: "2030-01-01T00:00:00.000Z" },
    })
  })

  it("describes itself to anyone", async () => {
    const { status, body } = await send("GET", "/openapi.json", { key: "" })

    expect(status).toBe(200)
    expect(body).toMatchObject({ openapi: "3.1.0", paths: { "/vms/{name}/run": {} } })
  })

  it("creates, lists, shows, wipes, restores and destroys a sandbox", async () => {
    expect(await send("POST", "/vms", { body: { name: "box" } })).toMatchObject({
      status: 201,
      body: { name: "box", agent_port: 1, accelerator: "tcg" },
    })
    expect(await send("GET", "/vms")).toMatchObject({ status: 200, body: { vms: [{ name: "box" }] } })
    expect(await send("GET", "/vms/box")).toMatchObject({ status: 200, body: { name: "box" } })
    expect(await send("GET", "/vms/box/snapshots")).toMatchObject({
      body: { snapshots: [{ vm_name: "box", snapshot_name: "initial" }] },
    })
    expect(await send("GET", "/snapshots")).toMatchObject({ body: { snapshots: [{ vm_name: "box" }] } })
    expect(await send("POST", "/vms/box/wipe")).toMatchObject({
      status: 200,
      body: { message: expect.stringContaining("box") as string },
    })
    expect(await send("POST", "/vms/box/snapshots/initial/restore")).toMatchObject({ status: 200 })
    expect(await send("DELETE", "/vms/box")).toMatchObject({ status: 200 })
    expect(await send("GET", "/vms")).toMatchObject({ body: { vms: [] } })
  })

  it("answers a sandbox that is there already to whoever would reuse it, if it is theirs", async () => {
    const body = { name: "box", reuse: true }
    expect(await send("POST", "/vms", { body })).toMatchObject({ status: 201, body: { name: "box" } })
    expect(await send("POST", "/vms", { body })).toMatchObject({ status: 200, body: { name: "box" } })
    expect(await send("POST", "/vms", { body, key: server.keys.other })).toMatchObject({
      status: 409,
      body: { code: "already_exists" },
    })
  })

  it("gives every answer a request id and no right to web pages", async () => {
    const { headers } = await send("GET", "/vms", { headers: { origin: "https://example.com" } })

    expect(headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/)
    expect([...headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([])
  })

  it("lets an admin key make, list and revoke keys", async () => {
    const admin = { key: server.keys.admin }
    const made = await send("POST", "/keys", { ...admin, body: { name: "new" } })
    expect(made).toMatchObject({ status: 201, body: { name: "new", role: "user" } })
    const { id, key } = made.body as { id: number; key: string }

    expect(await send("GET", "/vms", { key })).toMatchObject({ status: 200 })
    const { body } = await send("GET", "/keys", admin)
    expect(body).toMatchObject({ keys: [{}, {}, {}, { id, name: "new" }] })
    expect(JSON.stringify(body)).not.toContain(key)

    expect(await send("DELETE", `/keys/${id}`, admin)).toMatchObject({ status: 200 })
    expect(await send("GET", "/vms", { key })).toMatchObject({ status: 401 })
  })
})

describe("time travel", () => {
  beforeEach(createBox)

  it("takes a snapshot with or without a label, and deletes one", async () => {
    expect(await send("POST", "/vms/box/snapshots")).toMatchObject({
      status: 201,
      body: { snapshot_name: "snap_2", label: null, parent: "cmd_1", kind: "disk" },
    })
    expect(await send("POST", "/vms/box/snapshots", { body: { label: "v1.0" } })).toMatchObject({
      status: 201,
      body: { label: "v1.0" },
    })
    expect(await send("POST", "/vms/box/snapshots", { body: { memory: true } })).toMatchObject({
      status: 201,
      body: { kind: "machine" },
    })
    expect(await send("DELETE", "/vms/box/snapshots/cmd_1")).toMatchObject({
      status: 200,
      body: { message: 'Snapshot "cmd_1" of sandbox "box" is deleted' },
    })
    expect(await send("DELETE", "/vms/box/snapshots/initial")).toMatchObject({ status: 400 })
  })

  it("restores, keeps what was the present on request, and undoes", async () => {
    const path = "/vms/box/snapshots/cmd_1/restore"
    const message = 'Sandbox "box" is back at snapshot "cmd_1"'
    for (const body of [undefined, {}, { keep: false }]) {
      expect(await send("POST", path, { body })).toMatchObject({ status: 200, body: { message } })
    }
    const kept = await send("POST", path, { body: { keep: true } })
    expect(kept.body).toEqual({ message, kept: "box-kept" })
    expect((await send("POST", "/vms/box/undo")).body).toEqual({
      message: 'Sandbox "box" is back at snapshot "initial"',
      snapshot: "initial",
    })
  })

  it("forks a sandbox, into one or into many", async () => {
    expect(await send("POST", "/vms/box/fork", { body: { name: "one" } })).toMatchObject({
      status: 201,
      body: { name: "one" },
    })
    const body = { names: ["two", "three"], snapshot: "cmd_1" }
    expect(await send("POST", "/vms/box/forks", { body })).toMatchObject({
      status: 201,
      body: { vms: [{ name: "two" }, { name: "three" }] },
    })
    expect(await send("POST", "/vms/box/fork", { body: { name: "four", snapshot: "cmd_9" } })).toMatchObject({
      status: 404,
    })
  })

  it("compares a snapshot with another or with the present, and a file line by line", async () => {
    expect((await send("GET", "/vms/box/diff?from=initial")).body).toMatchObject({
      from: "initial",
      to: null,
      changes: [{ path: "/workspace/file", change: "changed", type: "file", previous_size: 0 }],
      truncated: false,
    })
    const two = await send("GET", "/vms/box/diff?from=initial&to=cmd_1&patch=a%26b")
    expect(two.body).toMatchObject({ from: "initial", to: "cmd_1", patch: "--- a&b\n" })
  })

  it("gives a file as it was, byte by byte", async () => {
    const headers = { "x-api-key": server.keys.user }
    const path = "/vms/box/snapshots/initial/file?path=%2Fetc%2F%C3%BC+b"
    const response = await server.app.request(path, { headers }, {})

    expect(response.status).toBe(200)
    expect(response.headers.get("content-type")).toBe("application/octet-stream")
    const bytes = Buffer.from(await response.arrayBuffer())
    expect(bytes).toEqual(Buffer.concat([Buffer.from("/etc/ü b"), Buffer.from([0, 255])]))
  })

  it("sets limits at a sandbox's creation and later, all of them anew", async () => {
    const none = { keep_last: null, keep_days: null, max_bytes: null, quota_bytes: null }
    await send("POST", "/vms", { body: { name: "kept", retention: { keep_last: 5, keep_days: 0.5 } } })
    expect((await send("GET", "/vms/kept/retention")).body).toEqual({
      ...none,
      keep_last: 5,
      keep_days: 0.5,
      bytes: 4096,
      snapshots: 2,
    })
    const body = { quota_bytes: 1, keep_days: null }
    expect(await send("PUT", "/vms/kept/retention", { body })).toMatchObject({
      status: 200,
      body: { ...none, quota_bytes: 1 },
    })
  })

  it("runs a command without a snapshot on request", async () => {
    const { body } = await send("POST", "/vms/box/run", { body: { command: "true", snapshot: false } })

    expect(body).toMatchObject({
      stdout: expect.stringContaining('"snapshot":false') as string,
      snapshot: null,
    })
  })

  it("exports a sandbox with or without its image, and imports one", async () => {
    const exported = async (query: string) =>
      (
        await server.app.request(
          `/vms/box/export${query}`,
          { headers: { "x-api-key": server.keys.user } },
          {},
        )
      ).text()

    expect(await exported("")).toBe('{"image":true}')
    expect(await exported("?snapshot=cmd_1&image=false")).toBe('{"snapshot":"cmd_1","image":false}')
    const headers = { "content-type": "application/x-anything" }
    expect(await send("POST", "/vms/copy/import", { headers, body: "an archive" })).toMatchObject({
      status: 201,
      body: { name: "copy" },
    })
    expect(server.sandboxes.imported).toBe("an archive")
  })

  it("takes an import without a body for an empty archive", async () => {
    await send("POST", "/vms/copy/import")

    expect(server.sandboxes.imported).toBe("")
  })

  it("does not make content for a HEAD, which has no body", async () => {
    const headers = { "x-api-key": server.keys.user }
    const response = await server.app.request("/vms/box/export", { method: "HEAD", headers }, {})

    expect(response.status).toBe(404)
  })
})

describe("the metrics", () => {
  const metrics = (key: string) => server.app.request("/metrics", { headers: { "x-api-key": key } }, {})

  it("are text for an admin key", async () => {
    server.metrics.forks.inc()
    const response = await metrics(server.keys.admin)

    expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8")
    expect(await response.text()).toMatch(/^opensandbox_forks_total 1$/m)
  })

  it("are for no other key", async () => {
    expect((await metrics(server.keys.user)).status).toBe(403)
    expect((await metrics("")).status).toBe(401)
  })
})

describe("a run", () => {
  beforeEach(createBox)

  it("passes the command on, with 30 seconds unless the request says otherwise", async () => {
    const usual = await send("POST", "/vms/box/run", { body: { command: "true" } })
    const quick = await send("POST", "/vms/box/run", { body: { command: "true", timeout: 0.5 } })

    const request = '"command":"true","snapshot":true,"encoding":"utf8"'
    expect(usual.body).toMatchObject({ stdout: `{${request},"timeoutSeconds":30}`, snapshot: "cmd_1" })
    expect(quick.body).toMatchObject({ stdout: `{${request},"timeoutSeconds":0.5}` })
  })

  it.each([
    ["text", "ü\0"],
    ["bytes", { base64: Buffer.from("ü\0").toString("base64") }],
  ])("passes on where, with what, as whom and with which input it runs (%s)", async (_, stdin) => {
    const seen: RunRequest[] = []
    server.sandboxes.onRun = (request) => {
      seen.push(request)
      return Promise.resolve(echoOf(request))
    }
    const settings = { cwd: "src", env: { A: "1" }, user: "nobody", encoding: "base64" }
    await send("POST", "/vms/box/run", { body: { command: "true", ...settings, stdin } })

    expect(seen).toEqual([
      { command: "true", timeoutSeconds: 30, snapshot: true, ...settings, stdin: Buffer.from("ü\0") },
    ])
  })

  it("is told when its caller goes away", async () => {
    const caller = new AbortController()
    const told = new Promise<void>((resolve) => {
      server.sandboxes.onRun = (request, { signal }) => {
        signal?.addEventListener("abort", () => {
          resolve()
        })
        caller.abort()
        return Promise.resolve(echoOf(request))
      }
    })
    const headers = { "x-api-key": server.keys.user }
    const init = { method: "POST", headers, body: '{"command":"true"}', signal: caller.signal }
    await server.app.request("/vms/box/run", init, {})

    await told
  })

  it("tells where the time went", async () => {
    const { headers } = await send("POST", "/vms/box/run", { body: { command: "true" } })

    expect(headers.get("server-timing")).toBe("guest;dur=20.00, sync;dur=3.46, snapshot;dur=1.00")
  })

  it("that times out says what was printed so far", async () => {
    const printed = { stdout: "so far", stderr: "" }
    server.sandboxes.onRun = () => Promise.reject(new Failure("timeout", "The time was up.", printed))

    expect(await send("POST", "/vms/box/run", { body: { command: "sleep 9" } })).toMatchObject({
      status: 504,
      body: { error: "The time was up.", code: "timeout", ...printed },
    })
  })

  it("leaves neither its command nor a key in the log", async () => {
    await send("POST", "/vms/box/run", { body: { command: "echo confidential" } })

    expect(server.logged()).toContain('"path":"/vms/box/run"')
    expect(server.logged()).not.toContain("confidential")
    expect(server.logged()).not.toContain(server.keys.user.slice(12))
  })

  describe("as an event stream", () => {
    const stream = (settings = {}) => {
      const headers = { "x-api-key": server.keys.user, accept: "text/event-stream, application/json" }
      const body = JSON.stringify({ command: "true", ...settings })
      return server.app.request("/vms/box/run", { method: "POST", headers, body }, {})
    }

    it("ends with the result", async () => {
      const response = await stream()

      expect(response.headers.get("content-type")).toBe("text/event-stream")
      expect(await response.text()).toMatch(/^: running\n\nevent: result\ndata: \{"stdout":.*\}\n\n$/)
    })

    const hear = (...chunks: [stream: "onStdout" | "onStderr", bytes: number[]][]) => {
      server.sandboxes.onRun = async (request, { listener }) => {
        for (const [name, bytes] of chunks) await listener?.[name](Uint8Array.from(bytes))
        return echoOf(request)
      }
    }

    it("tells the output as it comes, without ever splitting a character", async () => {
      const [euro, rest] = [[0x61, 0xe2, 0x82], [0xac]]
      hear(
        ["onStdout", euro],
        ["onStderr", [0xe2]],
        ["onStdout", rest],
        ["onStderr", [0x62]],
        ["onStdout", euro],
      )

      expect(await (await stream({ stream: true })).text()).toMatch(
        new RegExp(
          "^: running\n\n" +
            'event: stdout\ndata: "a"\n\n' +
            'event: stdout\ndata: "€"\n\n' +
            'event: stderr\ndata: "\ufffdb"\n\n' +
            'event: stdout\ndata: "a"\n\n' +
            'event: stdout\ndata: "\ufffd"\n\n' +
            "event: result\n",
        ),
      )
    })

    it("tells bytes as they are", async () => {
      hear(["onStdout", [0, 255]], ["onStdout", [1]])

      expect(await (await stream({ stream: true, encoding: "base64" })).text()).toMatch(
        /^: running\n\nevent: stdout\ndata: "AP8="\n\nevent: stdout\ndata: "AQ=="\n\nevent: result\n/,
      )
    })

    it("tells no output unless it is asked to", async () => {
      hear(["onStdout", [0x61]])

      expect(await (await stream()).text()).toMatch(/^: running\n\nevent: result\n/)
    })

    it("is no event stream for a client that does not take one", async () => {
      hear(["onStdout", [0x61]])

      expect(await send("POST", "/vms/box/run", { body: { command: "true", stream: true } })).toMatchObject({
        status: 200,
        body: { exitCode: 0 },
      })
    })

    it("ends with the error", async () => {
      server.sandboxes.onRun = () => Promise.reject(new Failure("disk_full", "No room."))

      expect(await (await stream()).text()).toBe(
        ': running\n\nevent: error\ndata: {"error":"No room.","code":"disk_full"}\n\n',
      )
    })

    it("shows that it is alive every 15 seconds", async () => {
      vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] })
      let finish: (failure: Failure) => void = () => undefined
      server.sandboxes.onRun = () => new Promise((_, reject) => (finish = reject))
      const response = await stream()
      const text = response.text()
      await vi.advanceTimersByTimeAsync(31_000)
      finish(new Failure("timeout", "Late."))
      vi.useRealTimers()

      expect((await text).match(/: still running\n\n/g)).toHaveLength(2)
    })

    it("answers a bad request as ever", async () => {
      const { status } = await send("POST", "/vms/nobody/run", {
        body: { command: "" },
        headers: { accept: "text/event-stream" },
      })

      expect(status).toBe(400)
    })
  })
})

describe("a refusal", () => {
  beforeEach(createBox)

  const run = (body: unknown) => ["POST", "/vms/box/run", body] as const

  it.each([
    ["a name with capitals", "name", "POST", "/vms", { name: "Box" }],
    ["a name that ends in a hyphen", "name", "POST", "/vms", { name: "box-" }],
    ["a name of 64 letters", "name", "POST", "/vms", { name: "a".repeat(64) }],
    ["an empty name", "name", "POST", "/vms", { name: "" }],
    ["a name that is a number", "name", "POST", "/vms", { name: 7 }],
    ["no name", "name", "POST", "/vms", {}],
    ["a field that nobody knows", "size", "POST", "/vms", { name: "new", size: 3 }],
    ["a body that is no JSON", "body", "POST", "/vms", "name=box"],
    ["no body", "body", "POST", "/vms", undefined],
    ["a body that is no object", "body", "POST", "/vms", "[]"],
    ["reuse that is a word", "reuse", "POST", "/vms", { name: "new", reuse: "yes" }],
    ["a bad name in the path", "name", "GET", "/vms/No%20Name", undefined],
    ["broken escapes in the path", "name", "GET", "/vms/%E0%A4%A", undefined],
    ["an empty command", "command", ...run({ command: "" })],
    ["a blank command", "command", ...run({ command: " \n" })],
    ["a command that is too long", "command", ...run({ command: "x".repeat(256 * 1024 + 1) })],
    ["a timeout that is a word", "timeout", ...run({ command: "true", timeout: "30" })],
    ["a timeout of 0", "timeout", ...run({ command: "true", timeout: 0 })],
    ["a negative timeout", "timeout", ...run({ command: "true", timeout: -1 })],
    ["a timeout above 24 hours", "timeout", ...run({ command: "true", timeout: 86_401 })],
    ["a timeout that is null", "timeout", ...run({ command: "true", timeout: null })],
    ["a timeout beyond numbers", "timeout", ...run('{"command":"true","timeout":1e999}')],
    ["a long snapshot name", "snapshot", "POST", `/vms/box/snapshots/${"s".repeat(129)}/restore`, undefined],
    ["a snapshot that is no yes or no", "snapshot", ...run({ command: "true", snapshot: "no" })],
    ["a directory that is no path", "cwd", ...run({ command: "true", cwd: "" })],
    ["an impossible user", "user", ...run({ command: "true", user: "a:b" })],
    ["variables that are a list", "env", ...run({ command: "true", env: ["A=1"] })],
    ["an input that is a number", "stdin", ...run({ command: "true", stdin: 5 })],
    ["an encoding that nobody knows", "encoding", ...run({ command: "true", encoding: "utf16" })],
    ["a label with a space", "label", "POST", "/vms/box/snapshots", { label: "a b" }],
    ["a label like the server's names", "label", "POST", "/vms/box/snapshots", { label: "cmd_1" }],
    ["an optional body that is no JSON", "body", "POST", "/vms/box/snapshots", "label=v1"],
    ["a memory that is a size", "memory", "POST", "/vms/box/snapshots", { memory: 512 }],
    ["a fork's memory that is a word", "memory", "POST", "/vms/box/fork", { name: "x", memory: "all" }],
    ["snapshots of nothing", "snapshots", "POST", "/vms", { name: "x", snapshots: "none" }],
    ["keep that is a word", "keep", "POST", "/vms/box/snapshots/initial/restore", { keep: "yes" }],
    ["forks without names", "names", "POST", "/vms/box/forks", { names: [] }],
    ["two forks of one name", "names", "POST", "/vms/box/forks", { names: ["a", "a"] }],
    [
      "101 forks",
      "names",
      "POST",
      "/vms/box/forks",
      { names: Array.from({ length: 101 }, (_, i) => `f${i}`) },
    ],
    ["a bad name among others", "names.1", "POST", "/vms/box/forks", { names: ["a", "B"] }],
    ["a quota of 0", "quota_bytes", "PUT", "/vms/box/retention", { quota_bytes: 0 }],
    ["half a snapshot", "keep_last", "PUT", "/vms/box/retention", { keep_last: 0.5 }],
    ["a limit that nobody knows", "keep_years", "PUT", "/vms/box/retention", { keep_years: 1 }],
    ["limits that are no object", "retention", "POST", "/vms", { name: "new", retention: 5 }],
    [
      "a bad limit of a new sandbox",
      "retention.keep_days",
      "POST",
      "/vms",
      { name: "new", retention: { keep_days: 0 } },
    ],
    ["a network that nobody knows", "network", "POST", "/vms", { name: "new", network: "lan" }],
    ["a list that allows nothing", "network.allow", "POST", "/vms", { name: "new", network: { allow: [] } }],
    ["a comparison with nothing", "from", "GET", "/vms/box/diff", undefined],
    ["an empty parameter", "to", "GET", "/vms/box/diff?from=initial&to=", undefined],
    ["a parameter that nobody knows", "form", "GET", "/vms/box/diff?from=initial&form=a", undefined],
    ["a parameter that is there twice", "from", "GET", "/vms/box/diff?from=initial&from=cmd_1", undefined],
    ["a file without a path", "path", "GET", "/vms/box/snapshots/initial/file", undefined],
    ["a path with a NUL", "path", "GET", "/vms/box/snapshots/initial/file?path=a%00b", undefined],
    [
      "a path that is too long",
      "path",
      "GET",
      `/vms/box/snapshots/initial/file?path=${"%C3%A4".repeat(2049)}`,
      undefined,
    ],
    ["an image that is no yes or no", "image", "GET", "/vms/box/export?image=0", undefined],
  ])("of %s names the field", async (_, field, method, path, body) => {
    expect(await send(method, path, { body })).toMatchObject({
      status: 400,
      body: { code: "invalid_request", field, error: expect.stringMatching(/^Invalid request: /) as string },
    })
  })

  it.each([
    ["/vms", 1],
    ["/vms/box/run", 4],
  ])(
    "of a body to %s above %i MiB comes from what is announced, or from what arrives",
    async (path, size) => {
      const body = JSON.stringify({ name: "x".repeat(size * 1024 * 1024) })
      const error = `The request body is larger than ${size} MiB.`
      const answer = { status: 413, body: { code: "too_large", field: "body", error } }

      expect(await send("POST", path, { body })).toMatchObject(answer)
      const headers = { "content-length": String(body.length) }
      expect(await send("POST", path, { body: "{}", headers })).toMatchObject(answer)
    },
  )

  it.each([
    ["sandbox", "GET", "/vms/nobody"],
    ["snapshot", "POST", "/vms/box/snapshots/cmd_9/restore"],
    ["path", "GET", "/nowhere"],
    ["method", "PUT", "/vms"],
    ["snapshot to export", "GET", "/vms/box/export?snapshot=cmd_9"],
  ])("of an unknown %s is not_found", async (_, method, path) => {
    expect(await send(method, path)).toMatchObject({ status: 404, body: { code: "not_found" } })
  })

  it("of a name that is taken is already_exists, whoever has it", async () => {
    const body = { name: "box" }
    const answer = { status: 409, body: { code: "already_exists" } }

    expect(await send("POST", "/vms", { body })).toMatchObject(answer)
    expect(await send("POST", "/vms", { body, key: server.keys.other })).toMatchObject(answer)
  })

  it("of another key's sandbox is not_found", async () => {
    for (const key of [server.keys.other, server.keys.admin]) {
      expect(await send("GET", "/vms/box", { key })).toMatchObject({ status: 404 })
      expect(await send("GET", "/snapshots", { key })).toMatchObject({ body: { snapshots: [] } })
      expect(await send("DELETE", "/vms/box", { key })).toMatchObject({ status: 404 })
      expect(await send("GET", "/vms/box/export", { key })).toMatchObject({ status: 404 })
      expect(await send("POST", "/vms/box/fork", { key, body: { name: "stolen" } })).toMatchObject({
        status: 404,
      })
    }
  })

  it.each([
    ["no key", ""],
    ["a wrong key", "ws_wrong"],
  ])("of %s is unauthorized, before anything else is looked at", async (_, key) => {
    for (const [method, path] of [
      ["GET", "/vms"],
      ["POST", "/vms"],
      ["GET", "/vms/nobody"],
      ["POST", "/keys"],
    ] as const) {
      expect(await send(method, path, { key })).toMatchObject({ status: 401, body: { code: "unauthorized" } })
    }
  })

  it("of an admin's route to a user key is forbidden", async () => {
    expect(await send("POST", "/keys", { body: { name: "mine" } })).toMatchObject({
      status: 403,
      body: { code: "forbidden" },
    })
  })

  it("that nobody foresaw is logged in full and told in brief", async () => {
    server.sandboxes.onRun = () => Promise.reject(new Error("qemu: /var/lib/secret is gone"))
    const { status, headers, body } = await send("POST", "/vms/box/run", { body: { command: "true" } })

    const requestId = headers.get("x-request-id")
    expect({ status, body }).toEqual({
      status: 500,
      body: {
        code: "internal",
        error: `The server made a mistake; its log says more under request id ${requestId}.`,
      },
    })
    expect(server.logged()).toContain("/var/lib/secret")
    expect(server.logged()).toContain(requestId)
  })
})

describe("where only one sandbox may be spoken to", () => {
  const only = (path: string, key = server.keys.user) =>
    server.app.request(path, { headers: { "x-api-key": key } }, { onlySandbox: "box" })

  beforeEach(async () => {
    await createBox()
    await send("POST", "/vms", { body: { name: "other" } })
  })

  it.each([
    "/health",
    "/openapi.json",
    "/vms/box",
    "/vms/box/snapshots",
    "/vms/box/retention",
    "/vms/box/export",
  ])("%s is there", async (path) => {
    expect((await only(path)).status).toBe(200)
  })

  it.each([
    "/vms",
    "/snapshots",
    "/keys",
    "/metrics",
    "/vms/other",
    "/vms/other/snapshots",
    "/vms/box/../other",
  ])("%s is not", async (path) => {
    expect((await only(path)).status).toBe(404)
    expect((await only(path, server.keys.admin)).status).toBe(404)
  })

  it("needs the same key", async () => {
    expect((await only("/vms/box", server.keys.other)).status).toBe(404)
    expect((await only("/vms/box", "")).status).toBe(401)
  })
})
