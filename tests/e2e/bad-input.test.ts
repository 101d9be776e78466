import { Client } from "opensandbox"
import { beforeAll, describe, expect, test } from "vitest"
import { opensandbox } from "../support/cli.js"
import { anyString, matching } from "../support/matchers.js"
import { failed, succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"
import { raw } from "../support/wire.js"

let server: TestServer

beforeAll(async () => {
  server = await TestServer.start()
  const { sandbox } = succeeded(await server.client().create("box"))
  succeeded(await sandbox.run("true"))
  return () => server.dispose()
}, serverStartMs)

const post = (path: string, body: unknown, key: string = server.apiKey) =>
  raw(server.url, path, { method: "POST", key, body: typeof body === "string" ? body : JSON.stringify(body) })

describe("a request that breaks a rule", () => {
  const badNames = [
    "",
    "A",
    "-a",
    "a-",
    "a.b",
    "a_b",
    "ä",
    "a b",
    "a/b",
    "..",
    "a".repeat(64),
    "a\n",
    7,
    null,
    ["a"],
    {},
  ]

  test("a sandbox's name must be a DNS label", async () => {
    for (const name of badNames) {
      const { status, body } = await post("/vms", { name })
      expect({ name, status, ...body }).toMatchObject({ status: 400, code: "invalid_request", field: "name" })
      expect(body["error"]).toMatch(/name/)
      if (typeof name !== "string") continue
      const failure = failed(await server.client().create(name))
      expect(failure).toMatchObject({ code: "invalid_request", field: "name" })
    }
    expect((await post("/vms", {})).body).toMatchObject({ code: "invalid_request", field: "name" })
  })

  test("a name of 63 characters is good, and one that is taken is a conflict", async () => {
    const name = `a${"-".repeat(61)}9`
    const { sandbox } = succeeded(await server.client().create(name))
    succeeded(await sandbox.destroy())
    const { status, body } = await post("/vms", { name: "box" })
    expect({ status, ...body }).toMatchObject({ status: 409, code: "already_exists", field: "name" })
    expect(failed(await server.client().create("box")).code).toBe("already_exists")
  })

  test("of many that ask for the same name at once, one gets it", async () => {
    const results = await Promise.all(Array.from({ length: 5 }, () => server.client().create("race")))
    expect(results.map((result) => (result.success ? "made" : result.code)).toSorted()).toEqual([
      ...Array<string>(4).fill("already_exists"),
      "made",
    ])
    succeeded(await server.sandbox("race").destroy())
  })

  test("a command must be text, not blank, at most 256 KiB", async () => {
    const run = "/vms/box/run"
    for (const command of [
      "",
      " ",
      "\n\t ",
      "a\0b",
      "x".repeat(256 * 1024 + 1),
      "ü".repeat(129 * 1024),
      5,
      null,
      ["ls"],
    ]) {
      const { status, body } = await post(run, { command })
      expect({ status, ...body }).toMatchObject({ status: 400, code: "invalid_request", field: "command" })
      if (typeof command !== "string") continue
      const failure = failed(await server.sandbox("box").run(command))
      expect(failure).toMatchObject({ code: "invalid_request", field: "command" })
    }
    expect((await post(run, { timeout: 5 })).body).toMatchObject({
      code: "invalid_request",
      field: "command",
    })
  })

  test("a timeout must be a number of seconds above 0 and at most 24 hours", async () => {
    for (const timeout of ["5", null, 0, -1, 86_400.5, 1e300, true, [1]]) {
      const { status, body } = await post("/vms/box/run", { command: "true", timeout })
      expect({ timeout, status, ...body }).toMatchObject({
        status: 400,
        code: "invalid_request",
        field: "timeout",
      })
      expect(body["error"]).toMatch(/timeout/)
    }
    for (const timeout of [Number.NaN, Number.POSITIVE_INFINITY, 0, -5, 90_000]) {
      const failure = failed(await server.sandbox("box").run("true", timeout))
      expect({ timeout, ...failure }).toMatchObject({ code: "invalid_request", field: "timeout" })
    }
  })

  test.each(["", "{", "nonsense", "[]", '"text"', "null", "7", '{"name":'])(
    "a body cannot be %j",
    async (body) => {
      for (const path of ["/vms", "/vms/box/run"]) {
        const answer = await post(path, body)
        expect(answer.status).toBe(400)
        expect(answer.body).toMatchObject({ code: "invalid_request", error: anyString })
        expect(answer.body["field"]).toBeDefined()
      }
    },
  )

  test("a field that does not exist is named", async () => {
    const { status, body } = await post("/vms/box/run", { command: "true", timeuot: 5 })
    expect({ status, ...body }).toMatchObject({ status: 400, code: "invalid_request", field: "timeuot" })
  })

  test.each([
    ["/vms/box/snapshots", { label: "x".repeat(2_000_000) }],
    ["/vms/box/run", { command: "true", stdin: "x".repeat(5_000_000) }],
  ])(
    "a body that is longer than POST %s allows is too large, with and without its length said ahead",
    async (path, body) => {
      const large = JSON.stringify(body)
      const sent = await post(path, large)
      expect({ status: sent.status, ...sent.body }).toMatchObject({ status: 413, code: "too_large" })
      const chunked = await raw(server.url, path, {
        method: "POST",
        key: server.apiKey,
        body: new Blob([large]).stream(),
        duplex: "half",
      } as RequestInit & { key: string })
      expect({ status: chunked.status, ...chunked.body }).toMatchObject({ status: 413, code: "too_large" })
    },
  )

  test.each([
    ["GET", "/vms/nobody"],
    ["DELETE", "/vms/nobody"],
    ["POST", "/vms/nobody/wipe"],
    ["GET", "/vms/nobody/snapshots"],
    ["POST", "/vms/nobody/snapshots/initial/restore"],
    ["POST", "/vms/box/snapshots/cmd_1/restore"],
    ["POST", "/vms/box/snapshots/..%2Finitial/restore"],
    ["GET", "/vms/box/nothing"],
    ["GET", "/"],
  ])("%s %s finds nothing", async (method, path) => {
    const { status, body } = await raw(server.url, path, { method, key: server.apiKey })
    expect({ status, ...body }).toMatchObject({ status: 404, code: "not_found", error: anyString })
  })

  test("an unknown sandbox and an unknown snapshot are not found by the SDK either", async () => {
    const nobody = server.sandbox("nobody")
    const failures = [
      await nobody.run("true"),
      await nobody.snapshots(),
      await nobody.restore("initial"),
      await nobody.info(),
      await nobody.wipe(),
      await nobody.destroy(),
      await server.sandbox("box").restore("cmd_1"),
    ].map((result) => failed(result).code)
    expect(new Set(failures)).toEqual(new Set(["not_found"]))
  })

  test("none of this has left a trace in the sandbox", async () => {
    expect(succeeded(await server.client().list()).vms.map(({ name }) => name)).toEqual(["box"])
    expect(succeeded(await server.sandbox("box").snapshots()).snapshots).toHaveLength(2)
    expect(server.machines()).toHaveLength(1)
  })
})

describe("keys", () => {
  test("with a wrong key or none nothing is allowed", async () => {
    for (const key of [undefined, "", "ws_wrong", "ws_".padEnd(5000, "x")]) {
      for (const [method, path] of [
        ["GET", "/vms"],
        ["GET", "/vms/box"],
        ["GET", "/snapshots"],
        ["GET", "/keys"],
        ["POST", "/vms"],
        ["POST", "/vms/box/run"],
      ] as const) {
        const body = method === "POST" ? { body: "{}" } : {}
        const { status, body: answer } = await raw(server.url, path, {
          method,
          ...body,
          ...(key !== undefined && { key }),
        })
        expect({ status, ...answer }).toMatchObject({ status: 401, code: "unauthorized" })
      }
      expect((await raw(server.url, "/health")).body).toEqual({ status: "ok", timestamp: anyString })
      if (key === undefined) continue
      expect(failed(await server.client(key).list()).code).toBe("unauthorized")
    }
  })

  test("a key sees its own sandboxes and no others, until it is revoked", async () => {
    const created = await opensandbox([
      "keys",
      "create",
      "--name",
      "other",
      "--json",
      "--data-dir",
      server.dataDirectory,
    ])
    expect(created).toMatchObject({ code: 0, stderr: "" })
    const { key, id } = JSON.parse(created.stdout) as { key: string; id: number }
    expect(key).toMatch(/^ws_/)
    const other = server.client(key)
    expect(succeeded(await other.list()).vms).toEqual([])

    const foreign = other.sandbox("box")
    const missing = other.sandbox("nobody")
    for (const attempt of [
      (sandbox: typeof foreign) => sandbox.run("true"),
      (sandbox: typeof foreign) => sandbox.info(),
      (sandbox: typeof foreign) => sandbox.snapshots(),
      (sandbox: typeof foreign) => sandbox.restore("initial"),
      (sandbox: typeof foreign) => sandbox.wipe(),
      (sandbox: typeof foreign) => sandbox.destroy(),
    ]) {
      const failure = failed(await attempt(foreign))
      expect(failure.code).toBe("not_found")
      // Another's sandbox answers as one that does not exist.
      expect(failure.error.replaceAll('"box"', '"nobody"')).toBe(failed(await attempt(missing)).error)
    }
    expect((await raw(server.url, "/keys", { key })).body).toMatchObject({ code: "forbidden" })

    const { sandbox } = succeeded(await other.create("theirs"))
    succeeded(await sandbox.run("echo hi"))
    expect(succeeded(await other.list()).vms.map(({ name }) => name)).toEqual(["theirs"])
    expect(succeeded(await server.client().list()).vms.map(({ name }) => name)).toEqual(["box"])
    const snapshots = (await raw(server.url, "/snapshots", { key })).body["snapshots"]
    expect(snapshots).toMatchObject([
      { vm_name: "theirs", snapshot_name: "initial" },
      { vm_name: "theirs", command: "echo hi" },
    ])
    expect(failed(await server.sandbox("theirs").info()).code).toBe("not_found")
    succeeded(await sandbox.destroy())

    const revoked = await opensandbox(["keys", "revoke", String(id), "--data-dir", server.dataDirectory])
    expect(revoked).toMatchObject({ code: 0, stderr: "" })
    expect(failed(await other.list()).code).toBe("unauthorized")
  })

  test("an admin makes and revokes keys over HTTP; a key is shown once", async () => {
    const { status, body } = await post("/keys", { name: "ci" })
    expect({ status, ...body }).toMatchObject({ status: 201, name: "ci", role: "user" })
    const secret = body["key"] as string
    expect(succeeded(await server.client(secret).list()).vms).toEqual([])
    const listed = await raw(server.url, "/keys", { key: server.apiKey })
    expect(JSON.stringify(listed.body)).not.toContain(secret)
    const path = `/keys/${String(body["id"])}`
    expect((await raw(server.url, path, { method: "DELETE", key: server.apiKey })).status).toBe(200)
    expect((await raw(server.url, path, { method: "DELETE", key: server.apiKey })).status).toBe(404)
    expect((await raw(server.url, "/vms", { key: secret })).status).toBe(401)
  })
})

test("a server that is not there is unavailable", async () => {
  const client = new Client(server.apiKey, "http://127.0.0.1:1")
  expect(failed(await client.list()).code).toBe("unavailable")
  expect(failed(await client.create("a")).code).toBe("unavailable")
  expect(failed(await client.sandbox("a").run("true")).code).toBe("unavailable")
})

test("the OpenAPI document is served", async () => {
  const { status, body } = await raw(server.url, "/openapi.json")
  expect(status).toBe(200)
  expect(body).toMatchObject({ openapi: matching(/^3\.1/), paths: { "/vms/{name}/run": {} } })
})
