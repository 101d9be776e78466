import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, expect, test } from "vitest"
import { FakeApi } from "../testing/fake-api.js"

let api: FakeApi
let directory: string

beforeEach(async () => {
  api = await FakeApi.start()
  directory = await mkdtemp(join(tmpdir(), "opensandbox-cp-"))
})

afterEach(async () => {
  await api.close()
  await rm(directory, { recursive: true })
})

const changed = { body: { snapshot: "file_1" } }

test.each([
  ["box:", "notes.txt"],
  ["box:in/", "in%2Fnotes.txt"],
  ["box:other.txt", "other.txt"],
  ["box:/etc/motd", "%2Fetc%2Fmotd"],
])("a file is copied to %s", async (target, path) => {
  const local = join(directory, "notes.txt")
  await writeFile(local, "some notes", { mode: 0o640 })
  api.answers[`PUT /vms/box/files?path=${path}`] = changed
  const { exitCode, stdout, stderr } = await api.cli(["cp", local, target])
  expect({ exitCode, stderr, stdout }).toEqual({
    exitCode: 0,
    stderr: "",
    stdout: `Copied to box:${decodeURIComponent(path)}\n`,
  })
  expect(api.bodies).toEqual(["some notes"])
})

test("the standard input is copied, without a snapshot on request", async () => {
  api.answers["PUT /vms/box/files?path=a&snapshot=false"] = { body: { snapshot: null } }
  const stdin = () => new Blob(["from a pipe"]).stream()
  const { exitCode, stdout } = await api.cli(["cp", "-", "box:a", "--no-snapshot", "--json"], { stdin })
  expect([exitCode, JSON.parse(stdout)]).toEqual([0, { success: true, snapshot: null }])
  expect(api.bodies).toEqual(["from a pipe"])
})

test.each([".", "./", "copy.bin"])("a file is copied out to %s", async (to) => {
  api.answers["GET /vms/box/files?path=out%2Fdata.bin"] = { body: Uint8Array.from([0, 255]) }
  const { exitCode } = await api.cli([
    "cp",
    "box:out/data.bin",
    join(directory, to) + (to === "./" ? "/" : ""),
  ])
  expect(exitCode).toBe(0)
  const name = to === "copy.bin" ? to : "data.bin"
  expect(await readdir(directory)).toEqual([name])
  expect(await readFile(join(directory, name))).toEqual(Buffer.from([0, 255]))
})

test("a file is copied to the standard output", async () => {
  api.answers["GET /vms/box/files?path=a"] = { body: Buffer.from("content") }
  expect(await api.cli(["cp", "box:a", "-"])).toEqual({ exitCode: 0, stdout: "content", stderr: "" })
})

test("a terminal is shown how much of a file has been copied, each way", async () => {
  let now = 0
  const world = { isTerminal: { stdin: false, stdout: false, stderr: true }, now: () => (now += 1000) }
  const local = join(directory, "a")
  await writeFile(local, "12345")
  api.answers["PUT /vms/box/files?path=a"] = changed
  expect((await api.cli(["cp", local, "box:"], world)).stderr).toContain("] 100 %  5 B of 5 B")

  const file = { path: "a", name: "a", type: "file", size: 10, mode: "644", uid: 0, gid: 0 }
  api.answers["GET /vms/box/files/stat?path=a"] = {
    body: { ...file, modified_at: "2026-01-01T00:00:00.000Z", target: null },
  }
  api.answers["GET /vms/box/files?path=a"] = { body: Buffer.from("12345") }
  expect((await api.cli(["cp", "box:a", "-"], world)).stderr).toContain("]  50 %  5 B of 10 B")
})

test("a copy that breaks off leaves what was there", async () => {
  await writeFile(join(directory, "a"), "before")
  api.answers["GET /vms/box/files?path=a"] = { body: Buffer.from("a part"), breaksOff: true }
  const { exitCode, stderr } = await api.cli(["cp", "box:a", directory])
  expect(exitCode).toBe(1)
  expect(stderr).toContain("broke off")
  expect(await readdir(directory)).toEqual(["a"])
  expect(await readFile(join(directory, "a"), "utf8")).toBe("before")
})

test("what the server refuses is said", async () => {
  expect(await api.cli(["cp", "box:none", directory])).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining("(not_found)") as unknown,
  })
  const { stdout } = await api.cli(["cp", "box:none", directory, "--json"])
  expect(JSON.parse(stdout)).toMatchObject({ success: false, code: "not_found" })
})

test.each([[["a", "b"]], [["box:a", "box:b"]], [["-", "box:"]], [["./box:a", "b"]]])(
  "%j is no copy between here and a sandbox",
  async (args) => {
    expect(await api.cli(["cp", ...args])).toMatchObject({ exitCode: 2, stdout: "" })
  },
)

test("a local file that is missing, or a directory, is said", async () => {
  expect((await api.cli(["cp", join(directory, "none"), "box:"])).stderr).toContain("ENOENT")
  expect((await api.cli(["cp", directory, "box:"])).stderr).toContain("EISDIR")
})
