import { afterEach, beforeEach, expect, it } from "vitest"
import { Failure } from "../failure.js"
import { createTestServer, type TestServer } from "../testing/test-server.js"

let server: TestServer

beforeEach(async () => {
  server = await createTestServer()
  await request("POST", "/vms", JSON.stringify({ name: "box" }))
})
afterEach(() => server.close())

function request(method: string, path: string, body?: string, more: Record<string, string> = {}) {
  const headers = { "x-api-key": server.keys.user, ...more }
  return server.app.request(path, { method, headers, ...(body !== undefined && { body }) }, {})
}

async function send(...args: Parameters<typeof request>) {
  const response = await request(...args)
  return { status: response.status, type: response.headers.get("content-type"), text: await response.text() }
}

const directories = () => server.sandboxes.allDirectories

const created = { type: "create", path: "/workspace/a" } as const

it("gives a directory as an archive", async () => {
  expect(await send("GET", "/vms/box/files/tar?path=a%2Fb")).toEqual({
    status: 200,
    type: "application/x-tar",
    text: "archive of a/b",
  })
  expect((await send("GET", "/vms/box/files/tar?path=none")).status).toBe(404)
  expect(JSON.parse((await send("GET", "/vms/box/files/size?path=a")).text)).toEqual({ files: 3, bytes: 12 })
})

it("takes an archive, with or without a snapshot after it, and can show that it is alive", async () => {
  const { status, text } = await send("PUT", "/vms/box/files/tar?path=a", "12345")
  expect([status, JSON.parse(text)]).toEqual([200, { files: 2, bytes: 5, snapshot: "file_1" }])
  const without = await send("PUT", "/vms/box/files/tar?path=a&snapshot=false", "1", {
    accept: "text/event-stream",
  })
  expect(without.text).toBe(': running\n\nevent: result\ndata: {"files":2,"bytes":1,"snapshot":null}\n\n')
  expect(directories().asked).toEqual([
    { path: "a", snapshot: true },
    { path: "a", snapshot: false },
  ])
})

it("tells what happens in a directory, until that is gone", async () => {
  directories().events = [created, { type: "overflow" }]
  expect(await send("GET", "/vms/box/files/watch?path=.&recursive=true")).toEqual({
    status: 200,
    type: "text/event-stream",
    text: [
      ": running\n\n",
      "event: watching\ndata: {}\n\n",
      `event: create\ndata: ${JSON.stringify(created)}\n\n`,
      'event: overflow\ndata: {"type":"overflow"}\n\n',
      "event: end\ndata: {}\n\n",
    ].join(""),
  })
  expect(directories().asked).toEqual([{ path: ".", recursive: true }])
})

it("tells why a watch ended early, and refuses one that cannot begin", async () => {
  directories().end = new Failure("interrupted", "The sandbox was restored.")
  const { text } = await send("GET", "/vms/box/files/watch?path=.")
  expect(text).toContain('event: error\ndata: {"error":"The sandbox was restored.","code":"interrupted"}\n\n')
  expect((await send("GET", "/vms/box/files/watch?path=none")).status).toBe(404)
})

it("ends a watch that nobody listens to any more", async () => {
  directories().end = undefined
  const { body } = await request("GET", "/vms/box/files/watch?path=.")
  await body?.cancel()
  await expect.poll(() => directories().closed).toBe(1)
})

it.each([
  ["tar", ""],
  ["tar", "?path="],
  ["tar", `?path=${"x".repeat(4097)}`],
  ["tar", "?path=a%00b"],
  ["tar", "?path=a&snapshot=true"],
  ["watch", "?path=a&recursive=yes"],
])("refuses to look at %s%s", async (what, query) => {
  expect((await send("GET", `/vms/box/files/${what}${query}`)).status).toBe(400)
  expect(directories().asked).toEqual([])
})

it("knows nothing of a sandbox that is another's, or none", async () => {
  for (const path of ["/vms/none/files/tar?path=a", "/vms/none/files/watch?path=a"])
    expect((await send("GET", path)).status).toBe(404)
  expect((await send("PUT", "/vms/none/files/tar?path=a", "")).status).toBe(404)
})
