import { afterEach, beforeEach, expect, it } from "vitest"
import { createTestServer, type TestServer } from "../testing/test-server.js"

let server: TestServer

beforeEach(async () => {
  server = await createTestServer()
  await send("POST", "/vms", JSON.stringify({ name: "box" }))
})
afterEach(() => server.close())

async function send(method: string, path: string, body?: string, key = server.keys.user) {
  const headers = { "x-api-key": key }
  const init = { method, headers, ...(body !== undefined && { body }) }
  const response = await server.app.request(path, init, {})
  return { status: response.status, type: response.headers.get("content-type"), text: await response.text() }
}

const json = (text: string) => JSON.parse(text) as unknown

it("writes a file's bytes as they are and reads them back", async () => {
  const written = await send("PUT", "/vms/box/files?path=a%2Fb%20c", "{ any text")
  expect([written.status, json(written.text)]).toEqual([200, { snapshot: "file_1" }])
  expect(await send("GET", "/vms/box/files?path=a%2Fb%20c&offset=2&length=3")).toEqual({
    status: 200,
    type: "application/octet-stream",
    text: "{ any text",
  })
  expect(server.sandboxes.allFiles.asked).toEqual([
    { path: "a/b c", append: false, snapshot: true },
    { path: "a/b c", offset: 2, length: 3 },
  ])
})

it("passes on what a write shall do, and takes one without a body for an empty file", async () => {
  const query = "path=x&append=true&mode=0755&owner=node:node&snapshot=false"
  expect(json((await send("PUT", `/vms/box/files?${query}`)).text)).toEqual({ snapshot: null })
  expect(server.sandboxes.allFiles.contents.get("x")).toBe("")
  expect(server.sandboxes.allFiles.asked).toEqual([
    { path: "x", append: true, mode: "0755", owner: "node:node", snapshot: false },
  ])
})

it("lists the workspace unless told another directory", async () => {
  await send("PUT", "/vms/box/files?path=x", "12345")
  expect(json((await send("GET", "/vms/box/files/list")).text)).toMatchObject({
    entries: [{ path: "x", type: "file", size: 5 }],
    truncated: false,
  })
  await send("GET", "/vms/box/files/list?path=src&depth=2048")
  expect(server.sandboxes.allFiles.asked.slice(1)).toEqual([
    { path: ".", depth: 1 },
    { path: "src", depth: 2048 },
  ])
  expect(json((await send("GET", "/vms/box/files/stat?path=x")).text)).toMatchObject({
    path: "x",
    mode: "644",
  })
})

it.each<[string, string, object, object]>([
  ["mkdir", "POST", { path: "d", mode: "700" }, { path: "d", mode: "700", snapshot: true }],
  ["rename", "POST", { from: "a", to: "b" }, { from: "a", to: "b", overwrite: false, snapshot: true }],
  [
    "copy",
    "POST",
    { from: "a", to: "b", overwrite: true },
    { from: "a", to: "b", overwrite: true, snapshot: true },
  ],
  [
    "attributes",
    "POST",
    { path: "a", owner: "1:2", snapshot: false },
    { path: "a", owner: "1:2", snapshot: false },
  ],
])("passes %s on with what was left out", async (what, method, body, asked) => {
  expect((await send(method, `/vms/box/files/${what}`, JSON.stringify(body))).status).toBe(200)
  expect(server.sandboxes.allFiles.asked).toEqual([asked])
})

it("removes", async () => {
  await send("DELETE", "/vms/box/files?path=d&recursive=true")
  expect(server.sandboxes.allFiles.asked).toEqual([{ path: "d", recursive: true, snapshot: true }])
})

it("says which path does not exist, and which field is meant", async () => {
  const { status, text } = await send("GET", "/vms/box/files?path=none")
  expect([status, json(text)]).toEqual([
    404,
    { error: '"none" does not exist.', code: "not_found", field: "path" },
  ])
})

it("shows nobody the files of others", async () => {
  const { status, text } = await send("GET", "/vms/box/files?path=x", undefined, server.keys.other)
  expect([status, json(text)]).toEqual([404, { error: 'There is no sandbox "box".', code: "not_found" }])
})

it.each([
  ["GET", "", "path"],
  ["GET", "?path=", "path"],
  ["GET", "?path=a%00b", "path"],
  ["GET", `?path=${"x".repeat(4097)}`, "path"],
  ["GET", "?path=a&offset=-1", "offset"],
  ["GET", "?path=a&length=x", "length"],
  ["GET", "?path=a&path=b", "path"],
  ["GET", "/list?depth=0", "depth"],
  ["GET", "/list?depth=2049", "depth"],
  ["PUT", "?path=a&mode=888", "mode"],
  ["PUT", "?path=a&mode=77777", "mode"],
  ["PUT", "?path=a&owner=a:b:c", "owner"],
  ["PUT", "?path=a&snapshot=no", "snapshot"],
  ["PUT", "?path=a&unknown=1", "unknown"],
  ["DELETE", "?path=a&recursive=1", "recursive"],
])("refuses %s %s and names the field", async (method, rest, field) => {
  const { status, text } = await send(method, `/vms/box/files${rest}`)
  expect([status, json(text)]).toMatchObject([400, { code: "invalid_request", field }])
  expect(server.sandboxes.allFiles.asked).toEqual([])
})
