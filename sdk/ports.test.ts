import { expect, test } from "vitest"
import { Client } from "./index.js"
import { sendJson, startTestServer } from "./testing/test-server.js"

const url = (baseUrl: string) => new Client("ws_k", baseUrl).sandbox("box").url(8080)

test.each([
  ["http://localhost:4000", "http://8080-box.localhost:4000/"],
  ["http://127.0.0.1:4000/", "http://8080-box.localhost:4000/"],
  ["http://[::1]:4000", "http://8080-box.localhost:4000/"],
  ["https://sandboxes.example.com", "https://8080-box.sandboxes.example.com/"],
])("with the server at %s a port is at %s", (baseUrl, expected) => {
  expect(url(baseUrl)).toBe(expected)
})

test("an address has no names below it", () => {
  expect(() => url("http://192.168.1.5:4000")).toThrow(/OPENSANDBOX_DOMAIN/)
})

test("a signed link, who may reach a port, and the wait for one are asked of the server", async () => {
  await using server = await startTestServer(({ method, path }, response) => {
    const answers: Record<string, unknown> = {
      "POST /vms/box/ports/8080/links": { token: "1.t", expires_at: "later" },
      "PUT /vms/box/ports/8080": { port: 8080, public: true },
      "GET /vms/box/ports": { ports: [{ port: 8080, public: true }] },
      "POST /vms/box/ports/8080/wait": { message: "it listens" },
    }
    sendJson(response, 200, answers[`${method} ${path}`])
  })
  const sandbox = new Client("ws_k", server.url).sandbox("box")
  expect(await sandbox.url(8080, { expires: 60 })).toEqual({
    success: true,
    url: `${sandbox.url(8080)}?opensandbox_token=1.t`,
    expires_at: "later",
  })
  const port = { port: 8080, public: true }
  expect(await sandbox.setPort(8080, { public: true })).toEqual({ success: true, port })
  expect(await sandbox.ports()).toEqual({ success: true, ports: [port] })
  expect(await sandbox.waitForPort(8080, 5)).toEqual({ success: true, message: "it listens" })
  expect(server.requests.map(({ body }) => body)).toEqual([
    '{"expires":60}',
    '{"public":true}',
    "",
    '{"timeout":5}',
  ])
})
