import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createTestServer, type TestServer } from "../testing/test-server.js"

const allowed = "https://app.example"
let server: TestServer

beforeAll(async () => {
  server = await createTestServer({ allowedOrigins: [allowed, "http://localhost:3000"] })
})
afterAll(() => server.close())

const send = (method: string, path: string, headers: Record<string, string>) =>
  server.app.request(path, { method, headers }, {})

const preflight = (origin: string) =>
  send("OPTIONS", "/vms/box/run", {
    origin,
    "access-control-request-method": "POST",
    "access-control-request-headers": "content-type,x-api-key",
  })

const allowOrigin = (response: Response) => response.headers.get("access-control-allow-origin")

describe("a browser that asks whether a page may use the API", () => {
  it("hears what it may do when the page's origin is allowed", async () => {
    const { status, headers } = await preflight(allowed)

    expect(status).toBe(204)
    expect(headers.get("access-control-allow-origin")).toBe(allowed)
    expect(headers.get("access-control-allow-methods")?.split(",")).toEqual(
      expect.arrayContaining(["GET", "POST", "PUT", "DELETE"]),
    )
    expect(headers.get("access-control-allow-headers")).toBe("content-type,x-api-key")
    expect(headers.get("vary")).toContain("Origin")
  })

  it.each(["https://evil.example", "https://app.example.evil.example", "http://app.example", "null"])(
    "hears of nothing for %s",
    async (origin) => {
      expect(allowOrigin(await preflight(origin))).toBeNull()
    },
  )
})

describe("an answer", () => {
  it("can be read by a page of an allowed origin, whatever it is", async () => {
    const key = { "x-api-key": server.keys.user }
    for (const [path, status] of [
      ["/vms", 200],
      ["/vms/nobody", 404],
      ["/nowhere", 404],
    ] as const) {
      const response = await send("GET", path, { origin: allowed, ...key })
      expect([response.status, allowOrigin(response)]).toEqual([status, allowed])
    }
    const refused = await send("GET", "/vms", { origin: allowed })
    expect([refused.status, allowOrigin(refused)]).toEqual([401, allowed])
  })

  it("cannot be read by any other page", async () => {
    const response = await send("GET", "/health", { origin: "https://evil.example" })

    expect([response.status, allowOrigin(response)]).toEqual([200, null])
  })
})
