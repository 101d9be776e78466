import { afterEach, beforeEach, expect, test } from "vitest"
import { FakeApi } from "../testing/fake-api.js"

let api: FakeApi

beforeEach(async () => {
  api = await FakeApi.start()
})

afterEach(() => api.close())

const cli = (...args: string[]) => api.cli(args)

const snapshot = {
  id: 2,
  vm_name: "box",
  snapshot_name: "cmd_1",
  label: null,
  parent: "initial",
  bytes: 142_857,
  command: "make",
  exit_code: 2,
  duration_ms: 12.5,
  kind: "disk",
  damaged: false,
  degraded: false,
  created_at: "now",
}

const byHand = {
  ...snapshot,
  snapshot_name: "snap_2",
  label: "before-upgrade",
  command: null,
  exit_code: null,
  duration_ms: null,
}

test("snapshots shows labels, sizes and exit codes", async () => {
  api.answers["GET /vms/box/snapshots"] = { body: { snapshots: [snapshot, byHand] } }
  expect((await cli("snapshots", "box")).stdout).toBe(
    "SNAPSHOT  LABEL           KIND  CREATED  SIZE    EXIT  COMMAND\n" +
      "cmd_1                     disk  now      143 kB  2     make\n" +
      "snap_2    before-upgrade  disk  now      143 kB\n",
  )
})

test("snapshots shows which ones are damaged, where some are", async () => {
  api.answers["GET /vms/box/snapshots"] = { body: { snapshots: [snapshot, { ...byHand, damaged: true }] } }
  const { stdout } = await cli("snapshots", "box")
  expect(stdout).toMatch(/^cmd_1 .* ok +make$/m)
  expect(stdout).toMatch(/^snap_2 .* DAMAGED$/m)
})

test("snapshots shows which ones are of the whole machine, and which of them have lost its memory", async () => {
  const machine = { ...snapshot, kind: "machine" }
  const degraded = { ...byHand, kind: "machine", degraded: true }
  api.answers["GET /vms/box/snapshots"] = { body: { snapshots: [machine, degraded] } }
  const { stdout } = await cli("snapshots", "box")
  expect(stdout).toMatch(/^cmd_1 +machine .* ok +make$/m)
  expect(stdout).toMatch(/^snap_2 .* machine .* DEGRADED$/m)
})

test("snapshots shows commands in a form that does nothing to the terminal", async () => {
  api.answers["GET /vms/box/snapshots"] = {
    body: { snapshots: [{ ...snapshot, command: "a\n\u001b[2Jb" }] },
  }
  expect((await cli("snapshots", "box")).stdout).toContain("a\\n\\u{1b}[2Jb\n")
})

test("snapshot takes one by hand, with a label or without", async () => {
  api.answers["POST /vms/box/snapshots"] = { status: 201, body: byHand }
  expect(await cli("snapshot", "box", "--label", "before-upgrade")).toEqual({
    exitCode: 0,
    stdout: "Took snap_2\n",
    stderr: "",
  })
  expect(api.bodies).toEqual([{ label: "before-upgrade" }])
  expect(JSON.parse((await cli("snapshot", "box", "--json")).stdout)).toEqual({
    success: true,
    snapshot: byHand,
  })
  await cli("snapshot", "box", "--label", "whole", "--memory")
  expect(api.bodies.at(-1)).toEqual({ label: "whole", memory: true })
})

test("a label that is taken points at the snapshots, not at the sandboxes", async () => {
  const body = { error: 'The label "v1" is taken', code: "already_exists" }
  api.answers["POST /vms/box/snapshots"] = { status: 409, body }
  const { exitCode, stderr } = await cli("snapshot", "box", "--label", "v1")
  expect(exitCode).toBe(1)
  expect(stderr).toContain("opensandbox snapshots NAME")
})

test("rm-snapshot deletes one after the other, and stops at the first that it cannot", async () => {
  api.answers["DELETE /vms/box/snapshots/cmd_1"] = { body: { message: "cmd_1 is deleted" } }
  api.answers["DELETE /vms/box/snapshots/cmd_3"] = { body: { message: "cmd_3 is deleted" } }
  expect(await cli("rm-snapshot", "box", "cmd_1", "cmd_3")).toEqual({
    exitCode: 0,
    stdout: "cmd_1 is deleted\ncmd_3 is deleted\n",
    stderr: "",
  })
  expect(await cli("rm-snapshot", "box", "cmd_1", "cmd_2", "cmd_3")).toMatchObject({
    exitCode: 1,
    stdout: "cmd_1 is deleted\n",
    stderr: expect.stringContaining("(not_found)") as unknown,
  })
  const { stdout } = await cli("rm-snapshot", "box", "cmd_1", "cmd_2", "--json")
  expect(JSON.parse(stdout)).toMatchObject({ success: false, code: "not_found", deleted: ["cmd_1"] })
})

test("restore says what the server says, and where the present is kept", async () => {
  api.answers["POST /vms/box/snapshots/initial/restore"] = { body: { message: "restored" } }
  expect((await cli("restore", "box", "initial")).stdout).toBe("restored\n")
  api.answers["POST /vms/box/snapshots/initial/restore"] = { body: { message: "restored", kept: "box-2" } }
  expect((await cli("restore", "box", "initial", "--keep")).stdout).toBe(
    "restored\nWhat was there is in the sandbox box-2\n",
  )
  expect(api.bodies.at(-1)).toEqual({ keep: true })
})

test("restore and undo say when they brought back less than was taken", async () => {
  const degraded = "Only the files are back."
  api.answers["POST /vms/box/snapshots/whole/restore"] = { body: { message: "restored", degraded } }
  expect((await cli("restore", "box", "whole")).stdout).toBe("restored\nOnly the files are back.\n")
  api.answers["POST /vms/box/undo"] = { body: { message: "undone", snapshot: "whole", degraded } }
  expect((await cli("undo", "box")).stdout).toBe("undone\nOnly the files are back.\n")
})

test("a damaged snapshot points at the others", async () => {
  const body = { error: "A layer of the snapshot is damaged", code: "damaged" }
  api.answers["POST /vms/box/snapshots/cmd_1/restore"] = { status: 500, body }
  expect((await cli("restore", "box", "cmd_1")).stderr).toMatch(/\(damaged\)\n.*opensandbox snapshots NAME/)
})

test("undo says where it went", async () => {
  api.answers["POST /vms/box/undo"] = { body: { message: "back at cmd_1", snapshot: "cmd_1" } }
  expect((await cli("undo", "box")).stdout).toBe("back at cmd_1\n")
  expect(JSON.parse((await cli("undo", "box", "--json")).stdout)).toMatchObject({ snapshot: "cmd_1" })
})

const changes = [
  { path: "/etc/motd", change: "removed", type: "file", size: null, previous_size: 286 },
  { path: "/workspace/a\u001b[2J", change: "added", type: "file", size: 1500, previous_size: null },
  { path: "/workspace/b", change: "changed", type: "file", size: 143_000, previous_size: 1200 },
  { path: "/workspace/c", change: "changed", type: "file", size: 7, previous_size: 7 },
  { path: "/workspace/d", change: "added", type: "directory", size: null, previous_size: null },
  { path: "/workspace/e", change: "changed", type: "symlink", size: null, previous_size: 5 },
]

test("diff lists what changed, with sizes", async () => {
  const diff = { from: "initial", to: null, changes, truncated: false }
  api.answers["GET /vms/box/diff?from=initial"] = { body: diff }
  expect(await cli("diff", "box", "initial")).toEqual({
    exitCode: 0,
    stdout:
      "D /etc/motd  286 B\n" +
      "A /workspace/a\\u{1b}[2J  1.5 kB\n" +
      "M /workspace/b  1.2 kB -> 143 kB\n" +
      "M /workspace/c  7 B\n" +
      "A /workspace/d  directory\n" +
      "M /workspace/e  5 B -> symlink\n",
    stderr: "",
  })
  expect(JSON.parse((await cli("diff", "box", "initial", "--json")).stdout)).toEqual({
    success: true,
    ...diff,
  })
})

test("diff says when there are more changes than it lists", async () => {
  const diff = { from: "initial", to: "cmd_1", changes: [], truncated: true }
  api.answers["GET /vms/box/diff?from=initial&to=cmd_1"] = { body: diff }
  expect((await cli("diff", "box", "initial", "cmd_1")).stderr).toContain("there are more")
  expect((await cli("diff", "box", "initial", "cmd_1", "--json")).stderr).toBe("")
})

test("diff --patch prints nothing but the patch", async () => {
  const patch = "--- a/notes.txt\n+++ b/notes.txt\n@@ -1 +1 @@\n-one\n+two\n"
  api.answers["GET /vms/box/diff?from=initial&patch=notes.txt"] = {
    body: { from: "initial", to: null, changes, truncated: true, patch },
  }
  expect(await cli("diff", "box", "initial", "--patch", "notes.txt")).toEqual({
    exitCode: 0,
    stdout: patch,
    stderr: "",
  })
})

test("show prints a file's bytes as they were", async () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, index) => index)
  api.answers["GET /vms/box/snapshots/cmd_1/file?path=a%3Ab.bin"] = { body: bytes }
  const printed: Uint8Array[] = []
  const stdoutBytes = (chunk: Uint8Array) => Promise.resolve(void printed.push(chunk))
  expect(await api.cli(["show", "box", "cmd_1:a:b.bin"], { stdoutBytes })).toEqual({
    exitCode: 0,
    stdout: "",
    stderr: "",
  })
  expect(Buffer.concat(printed)).toEqual(Buffer.from(bytes))
})

test("show ends quietly when its reader has seen enough, and not when the bytes are lost", async () => {
  api.answers["GET /vms/box/snapshots/cmd_1/file?path=big"] = { body: new Uint8Array(10) }
  const failing = (code: string) => () => Promise.reject(Object.assign(new Error(`write ${code}`), { code }))
  const show = (code: string) => api.cli(["show", "box", "cmd_1:big"], { stdoutBytes: failing(code) })
  expect(await show("EPIPE")).toEqual({ exitCode: 0, stdout: "", stderr: "" })
  expect(await show("ENOSPC")).toMatchObject({ exitCode: 1, stderr: "opensandbox: write ENOSPC\n" })
})

test("show says when there is no such file", async () => {
  expect(await cli("show", "box", "cmd_1:none")).toMatchObject({
    exitCode: 1,
    stdout: "",
    stderr: expect.stringContaining("(not_found)") as unknown,
  })
})

test.each(["notes.txt", ":notes.txt", "cmd_1:"])("show %s is a wrong usage", async (text) => {
  const { exitCode, stderr } = await cli("show", "box", text)
  expect(exitCode).toBe(2)
  expect(stderr).toContain("SNAPSHOT:PATH")
})

const status = {
  keep_last: 100,
  keep_days: null,
  max_bytes: null,
  quota_bytes: 2_000_000_000,
  bytes: 142_857,
  snapshots: 17,
}

test("retention shows the limits and what is in use", async () => {
  api.answers["GET /vms/box/retention"] = { body: status }
  expect((await cli("retention", "box")).stdout).toBe(
    "keep last  100\n" +
      "keep days  no limit\n" +
      "max size   no limit\n" +
      "quota      2.0 GB\n" +
      "in use     143 kB\n" +
      "snapshots  17\n",
  )
  expect(api.bodies).toEqual([])
})

test("retention sets limits, none for those that are switched off", async () => {
  api.answers["PUT /vms/box/retention"] = { body: status }
  const { stdout } = await cli(
    ...["retention", "box", "--keep-last", "100", "--keep-days", "none", "--quota", "2G", "--json"],
  )
  expect(JSON.parse(stdout)).toEqual({ success: true, retention: status })
  await cli("retention", "box", "--keep-days", "0.5", "--max-size", "500M")
  expect(api.bodies).toEqual([
    { keep_last: 100, keep_days: null, quota_bytes: 2_000_000_000 },
    { keep_days: 0.5, max_bytes: 500_000_000 },
  ])
})

test.each([
  ["--keep-last", "0"],
  ["--keep-days", "-1"],
  ["--max-size", "big"],
  ["--quota", "0"],
  ["--quota"],
])("retention %s %s is a wrong usage", async (...limit) => {
  expect((await cli("retention", "box", ...limit)).exitCode).toBe(2)
  expect(api.bodies).toEqual([])
})
