import { expect, expectTypeOf, test } from "vitest"
import { Client, type ReadFileResult } from "./index.js"
import { sendJson, startTestServer } from "./testing/test-server.js"

const file = {
  path: "src/a.ts",
  name: "a.ts",
  type: "file",
  size: 5,
  mode: "644",
  uid: 0,
  gid: 0,
  modified_at: "2026-01-02T03:04:05.678Z",
  target: null,
}

const bytes = { "content-type": "application/octet-stream" }

const changed = { success: true, snapshot: "file_1" }

/** A server that answers by method and path, and the files of a sandbox on it. */
async function serve(answers: Record<string, unknown>) {
  const server = await startTestServer((request, response) => {
    const answer = answers[`${request.method} ${request.path}`]
    if (answer instanceof Uint8Array) response.writeHead(200, bytes).end(answer)
    else sendJson(response, answer === undefined ? 500 : 200, answer ?? { error: "no", code: "internal" })
  })
  return {
    requests: server.requests,
    files: new Client("ws_k", server.url).sandbox("box").files,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

test("a file is read as text, as bytes, as a stream, and in part", async () => {
  const content = Buffer.from("\ufeffgrün \xff", "utf8")
  await using server = await serve({
    "GET /vms/box/files?path=a%20b": content,
    "GET /vms/box/files?path=a&offset=5&length=10": Buffer.from([0, 255]),
  })
  const text = await server.files.read("a b")
  expectTypeOf(text).toEqualTypeOf<ReadFileResult<string>>()
  expect(text).toEqual({ success: true, content: "\ufeffgrün ÿ" })
  const part = await server.files.read("a", { encoding: "bytes", offset: 5, length: 10 })
  expect(part).toEqual({ success: true, content: Uint8Array.from([0, 255]) })
  const streamed = await server.files.read("a b", { encoding: "stream" })
  if (!streamed.success) throw new Error(streamed.error)
  expect(Buffer.from(await new Response(streamed.content as BodyInit).arrayBuffer())).toEqual(content)
})

test("what is no text is read as far as it is", async () => {
  await using server = await serve({ "GET /vms/box/files?path=a": Buffer.from([97, 255, 98]) })
  expect(await server.files.read("a")).toEqual({ success: true, content: "a\ufffdb" })
})

test("a read that breaks off is a failure", async () => {
  await using server = await startTestServer((_request, response) => {
    response.writeHead(200, bytes)
    response.write("the beginning", () => response.destroy())
  })
  const { files } = new Client("ws_k", server.url).sandbox("box")
  expect(await files.read("a")).toMatchObject({ success: false, code: "unavailable" })
})

test("a file is written from a string, bytes, a blob and a stream", async () => {
  await using server = await serve({ "PUT /vms/box/files?path=a": { snapshot: "file_1" } })
  const text = "grün\0"
  const contents = [text, new TextEncoder().encode(text), new Blob([text]), new Blob([text]).stream()]
  for (const content of contents) expect(await server.files.write("a", content)).toEqual(changed)
  expect(server.requests.map(({ body }) => body)).toEqual([text, text, text, text])
})

test("an empty file can be written", async () => {
  await using server = await serve({ "PUT /vms/box/files?path=a": { snapshot: "file_1" } })
  for (const content of ["", new Uint8Array(), new Blob([]).stream()])
    expect(await server.files.write("a", content)).toEqual(changed)
})

test("each method asks for its own path, with what it was given", async () => {
  const done = { snapshot: null }
  await using server = await serve({
    "PUT /vms/box/files?path=a&mode=755&owner=node&snapshot=false": done,
    "PUT /vms/box/files?path=a&append=true": { snapshot: "file_1" },
    "GET /vms/box/files/list?path=.": { entries: [file], truncated: false },
    "GET /vms/box/files/list?path=src&depth=2048": { entries: [], truncated: true },
    "GET /vms/box/files/stat?path=src%2Fa.ts": file,
    "POST /vms/box/files/mkdir": done,
    "DELETE /vms/box/files?path=a&recursive=true": done,
    "POST /vms/box/files/rename": done,
    "POST /vms/box/files/copy": done,
    "POST /vms/box/files/attributes": done,
  })
  const { files } = server
  const unrecorded = { success: true, snapshot: null }
  expect(await files.write("a", "", { mode: "755", owner: "node", snapshot: false })).toEqual(unrecorded)
  expect(await files.append("a", "more")).toEqual(changed)
  expect(await files.list()).toEqual({ success: true, files: [file], truncated: false })
  expect(await files.list("src", { depth: Infinity })).toEqual({ success: true, files: [], truncated: true })
  expect(await files.stat("src/a.ts")).toEqual({ success: true, file })
  expect(await files.exists("src/a.ts")).toEqual({ success: true, exists: true })
  expect(await files.mkdir("d", { mode: "700" })).toEqual(unrecorded)
  expect(await files.remove("a", { recursive: true })).toEqual(unrecorded)
  expect(await files.rename("a", "b", { overwrite: true })).toEqual(unrecorded)
  expect(await files.copy("a", "b", { snapshot: false })).toEqual(unrecorded)
  expect(await files.setAttributes("a", { owner: "1:2" })).toEqual(unrecorded)
  const sent = server.requests
    .filter(({ method }) => method === "POST")
    .map(({ body }) => JSON.parse(body) as unknown)
  expect(sent).toEqual([
    { path: "d", mode: "700" },
    { from: "a", to: "b", overwrite: true },
    { from: "a", to: "b", snapshot: false },
    { path: "a", owner: "1:2" },
  ])
})

test.each([
  [
    { error: '"a" does not exist.', code: "not_found", field: "path" },
    { success: true, exists: false },
  ],
  [
    { error: "There is no sandbox.", code: "not_found" },
    { success: false, code: "not_found" },
  ],
])("only a file that is missing does not exist (case %#)", async (body, result) => {
  await using server = await startTestServer((_request, response) => {
    sendJson(response, 404, body)
  })
  expect(await new Client("ws_k", server.url).sandbox("box").files.exists("a")).toMatchObject(result)
})

test.each([
  ["stat", { ...file, size: "5" }],
  ["list", { entries: [{ ...file, path: 5 }], truncated: false }],
  ["list", { entries: 5, truncated: false }],
] as const)("an answer to %s that is none is a failure", async (method, body) => {
  await using server = await startTestServer((_request, response) => {
    sendJson(response, 200, body)
  })
  const { files } = new Client("ws_k", server.url).sandbox("box")
  expect(await files[method]("a")).toMatchObject({ success: false, code: "internal" })
})

test("a path that is no string is a mistake of the calling code", async () => {
  const { files } = new Client("ws_k", "http://127.0.0.1:1").sandbox("box")
  await expect(files.read(5 as unknown as string)).rejects.toThrow(TypeError)
})
