import { afterEach, beforeEach, expect, it } from "vitest"
import { createTestServer, type TestServer } from "../testing/test-server.js"

let server: TestServer

beforeEach(async () => {
  server = await createTestServer()
  await send("POST", "/vms", { name: "box" })
})
afterEach(() => server.close())

async function send(method: string, path: string, body?: unknown, key = server.keys.user) {
  const init = {
    method,
    headers: { "x-api-key": key },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  }
  const response = await server.app.request(path, init, {})
  return { status: response.status, body: (await response.json()) as unknown }
}

it("pauses a sandbox and resumes it, and tells its state", async () => {
  expect(await send("POST", "/vms/box/pause")).toMatchObject({ status: 200, body: { status: "paused" } })
  expect(await send("GET", "/vms/box")).toMatchObject({ body: { status: "paused", degraded: null } })
  expect(await send("POST", "/vms/box/resume")).toMatchObject({ status: 200, body: { status: "running" } })
})

it("takes the times at a sandbox's creation and later", async () => {
  const made = await send("POST", "/vms", { name: "short", idle_timeout: 900, ttl: 3600 })
  const times = { idle_timeout: 900, expires_at: "2030-01-01T01:00:00.000Z" }
  expect(made).toMatchObject({ status: 201, body: times })
  expect(await send("PATCH", "/vms/short", { idle_timeout: null })).toMatchObject({
    status: 200,
    body: { name: "short", idle_timeout: null },
  })
  expect(await send("PATCH", "/vms/short", { ttl: 60 })).toMatchObject({
    body: { expires_at: "2030-01-01T00:01:00.000Z" },
  })
  expect(await send("GET", "/vms/box")).toMatchObject({ body: { idle_timeout: null, expires_at: null } })
})

it("does none of it with the sandbox of another owner", async () => {
  for (const [method, path] of [
    ["POST", "/vms/box/pause"],
    ["POST", "/vms/box/resume"],
    ["PATCH", "/vms/box"],
  ] as const) {
    expect(await send(method, path, {}, server.keys.other)).toMatchObject({ status: 404 })
  }
})

it.each([
  ["idle_timeout", 0],
  ["idle_timeout", 0.5],
  ["idle_timeout", "10"],
  ["ttl", -1],
  ["ttl", 31_536_001],
  ["ttl", true],
  ["expires_at", 1],
])("refuses a sandbox with the %s %j", async (field, value) => {
  const wrong = { status: 400, body: { code: "invalid_request", field } }
  expect(await send("POST", "/vms", { name: "new", [field]: value })).toMatchObject(wrong)
  expect(await send("PATCH", "/vms/box", { [field]: value })).toMatchObject(wrong)
})
