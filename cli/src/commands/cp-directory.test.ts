import { execFileSync } from "node:child_process"
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, expect, test } from "vitest"
import { FakeApi } from "../testing/fake-api.js"

let api: FakeApi
let directory: string

beforeEach(async () => {
  api = await FakeApi.start()
  directory = await mkdtemp(join(tmpdir(), "opensandbox-cp-"))
  await mkdir(join(directory, "src"))
  await writeFile(join(directory, "src/file"), "content")
})

afterEach(async () => {
  await api.close()
  await rm(directory, { recursive: true })
})

const made = { files: 1, bytes: 7, snapshot: "file_1" }

test.each([
  ["box:", "path=src", "src"],
  ["box:in/", "path=in%2Fsrc", "in/src"],
  ["box:app", "path=app", "app"],
])("cp -r sends a directory to %s", async (to, query, target) => {
  api.answers[`PUT /vms/box/files/tar?${query}`] = { body: made }
  expect(await api.cli(["cp", "-r", join(directory, "src"), to])).toEqual({
    exitCode: 0,
    stdout: `Copied 1 file to box:${target}\n`,
    stderr: "",
  })
  expect(api.bodies[0]).toContain("content")
})

test("cp -r takes a directory", async () => {
  const body = execFileSync("tar", ["-c", "--format=pax", "-C", join(directory, "src"), "file"])
  api.answers["GET /vms/box/files/tar?path=out"] = { type: "application/x-tar", body }
  const { exitCode, stdout } = await api.cli(["cp", "-r", "box:out", join(directory, "to"), "--json"])
  expect([exitCode, JSON.parse(stdout)]).toEqual([0, { success: true, files: 1, bytes: 7 }])
  expect(await readFile(join(directory, "to/file"), "utf8")).toBe("content")
})

test("cp -r says why it did not copy", async () => {
  expect(await api.cli(["cp", "-r", join(directory, "none"), "box:"])).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining("(invalid_request)") as unknown,
  })
  expect(await api.cli(["cp", "-r", "box:none", directory])).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining("(not_found)") as unknown,
  })
  expect((await api.cli(["cp", "-r", "box:out", "-"])).exitCode).toBe(2)
})
