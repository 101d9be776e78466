import { afterEach, beforeEach, expect, test } from "vitest"
import { FakeApi } from "../testing/fake-api.js"

let api: FakeApi

beforeEach(async () => {
  api = await FakeApi.start()
})
afterEach(() => api.close())

const type = "text/event-stream"

const created = { type: "create", path: "/workspace/a\nb" }
const renamed = { type: "rename", path: "/workspace/a", to: "/workspace/b" }

const stream = (...events: [string, object][]) =>
  Buffer.from(
    [["watching", {}] as const, ...events]
      .map(([name, data]) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`)
      .join(""),
  )

test("watch prints what happens, a line each, until the directory is gone", async () => {
  const body = stream(
    ["create", created],
    ["rename", renamed],
    ["overflow", { type: "overflow" }],
    ["end", {}],
  )
  api.answers["GET /vms/box/files/watch?path=.&recursive=false"] = { type, body }
  expect(await api.cli(["watch", "box"])).toEqual({
    exitCode: 0,
    stderr: "",
    stdout:
      "create  /workspace/a\\nb\nrename  /workspace/a -> /workspace/b\n" +
      "overflow  events were lost: look again at what matters\n",
  })
  api.answers["GET /vms/box/files/watch?path=src&recursive=true"] = { type, body }
  const { stdout } = await api.cli(["watch", "box", "src", "-r", "--json"])
  expect(
    stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown),
  ).toEqual([created, renamed, { type: "overflow" }])
})

test("watch says why there is none, or none any more", async () => {
  expect(await api.cli(["watch", "none"])).toMatchObject({
    exitCode: 1,
    stdout: "",
    stderr: expect.stringContaining("(not_found)") as unknown,
  })
  const failed = ["error", { error: "The sandbox was restored", code: "interrupted" }] as [string, object]
  api.answers["GET /vms/box/files/watch?path=.&recursive=false"] = { type, body: stream(failed) }
  expect(await api.cli(["watch", "box"])).toEqual({
    exitCode: 1,
    stdout: "",
    stderr: "opensandbox: The sandbox was restored (interrupted)\n",
  })
})

test("watch ends when its reader has seen enough", async () => {
  api.answers["GET /vms/box/files/watch?path=.&recursive=false"] = { type, body: stream(["create", created]) }
  const stdoutBytes = () => Promise.reject(Object.assign(new Error("write EPIPE"), { code: "EPIPE" }))
  expect(await api.cli(["watch", "box"], { stdoutBytes })).toMatchObject({ exitCode: 0, stderr: "" })
})
