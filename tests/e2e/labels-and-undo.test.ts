import type { Sandbox, Snapshot } from "opensandbox"
import { afterAll, beforeAll, expect, test } from "vitest"
import { eventually } from "../support/eventually.js"
import { anyNumber, matching } from "../support/matchers.js"
import { failed, succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"

let server: TestServer

beforeAll(async () => {
  server = await TestServer.start()
}, serverStartMs)

afterAll(() => server.dispose())

async function snapshotsOf(sandbox: Sandbox): Promise<Snapshot[]> {
  return succeeded(await sandbox.snapshots()).snapshots
}

async function namesOf(sandbox: Sandbox): Promise<string[]> {
  return (await snapshotsOf(sandbox)).map((snapshot) => snapshot.snapshot_name)
}

/** What a file holds, looked at without a snapshot. */
async function read(sandbox: Sandbox, file = "file"): Promise<string> {
  return succeeded(await sandbox.run(`cat ${file}`, { snapshot: false })).stdout
}

test("a snapshot by hand has what was there, and its label is as good as its name", async () => {
  const sandbox = await server.create()
  succeeded(await sandbox.run("echo 1 > file", { snapshot: false }))
  const { snapshot } = succeeded(await sandbox.snapshot("before-upgrade.v1_2"))
  expect(snapshot).toMatchObject({
    vm_name: sandbox.name,
    snapshot_name: matching(/^snap_\d+$/),
    label: "before-upgrade.v1_2",
    parent: "initial",
    kind: "disk",
    command: null,
    exit_code: null,
    duration_ms: null,
    damaged: false,
  })
  expect(snapshot.bytes).toBeGreaterThan(0)
  succeeded(await sandbox.run("echo 2 > file"))
  succeeded(await sandbox.restore("before-upgrade.v1_2"))
  expect(await read(sandbox)).toBe("1\n")
  expect(await snapshotsOf(sandbox)).toEqual([expect.objectContaining({ label: null }), snapshot])
  succeeded(await sandbox.deleteSnapshot("before-upgrade.v1_2"))
  expect(await namesOf(sandbox)).toEqual(["initial"])
  expect(await read(sandbox)).toBe("1\n")
})

test("a snapshot tells of its command, of what it added and of the one before it", async () => {
  const sandbox = await server.create()
  succeeded(await sandbox.run("head -c 1M /dev/urandom > file; sleep 0.2; exit 3"))
  succeeded(await sandbox.run("true"))
  const { snapshot: byHand } = succeeded(await sandbox.snapshot())
  const [initial, change, nothing, last] = await snapshotsOf(sandbox)
  expect(initial).toMatchObject({ snapshot_name: "initial", parent: null, command: null, bytes: 0 })
  expect(change).toMatchObject({ parent: "initial", exit_code: 3, duration_ms: anyNumber, label: null })
  expect(change?.duration_ms).toBeGreaterThanOrEqual(200)
  expect(change?.bytes).toBeGreaterThan(1024 * 1024)
  expect(nothing).toMatchObject({ parent: change?.snapshot_name, command: "true", exit_code: 0 })
  expect(last).toEqual(byHand)
  expect(byHand).toMatchObject({ parent: nothing?.snapshot_name, label: null, command: null })
})

test("a label is one snapshot's in its sandbox, as long as that is there", async () => {
  const [sandbox, other] = [await server.create(), await server.create()]
  succeeded(await sandbox.snapshot("label"))
  expect(failed(await sandbox.snapshot("label")).code).toBe("already_exists")
  succeeded(await other.snapshot("label"))
  succeeded(await sandbox.deleteSnapshot("label"))
  succeeded(await sandbox.snapshot("label"))
  succeeded(await sandbox.restore("initial"))
  succeeded(await sandbox.snapshot("label"))
  expect((await snapshotsOf(sandbox)).map(({ label }) => label)).toEqual([null, "label"])
})

test.each([
  "",
  "initial",
  "cmd_1",
  "snap_0",
  "fork_12",
  "file_3",
  "import_4",
  "-a",
  ".a",
  "a b",
  "ä",
  "a".repeat(65),
])("the label %j is refused", async (label) => {
  const sandbox = server.sandbox("box-1")
  const before = await namesOf(sandbox)
  expect(failed(await sandbox.snapshot(label))).toMatchObject({ code: "invalid_request" })
  expect(await namesOf(sandbox)).toEqual(before)
})

test("a sandbox whose machine does not run is snapshotted and goes on from there", async () => {
  const { name } = await server.create()
  succeeded(await server.sandbox(name).run("echo 1 > file", { snapshot: false }))
  await server.restart()
  const { snapshot } = succeeded(await server.sandbox(name).snapshot("stopped"))
  const { snapshot: same } = succeeded(await server.sandbox(name).snapshot())
  expect([snapshot.bytes > 0, same.bytes]).toEqual([true, 0])
  expect(succeeded(await server.sandbox(name).info()).vm.status).toBe("stopped")
  succeeded(await server.sandbox(name).run("echo 2 > file"))
  succeeded(await server.sandbox(name).restore("stopped"))
  expect(await read(server.sandbox(name))).toBe("1\n")
})

test("what a command without a snapshot did is part of the next one", async () => {
  const sandbox = await server.create()
  const run = succeeded(await sandbox.run("echo 1 > file; exit 5", { snapshot: false }))
  expect(run).toMatchObject({ exitCode: 5, snapshot: null })
  expect(await namesOf(sandbox)).toEqual(["initial"])
  const { snapshot } = succeeded(await sandbox.run("true"))
  succeeded(await sandbox.run("rm file", { snapshot: false }))
  succeeded(await sandbox.restore(snapshot))
  expect(await read(sandbox)).toBe("1\n")
})

test("undo goes back to the snapshot before the newest, one after the other", async () => {
  const sandbox = await server.create()
  const { snapshot: first } = succeeded(await sandbox.run("echo 1 > file"))
  succeeded(await sandbox.run("echo 2 > file"))
  expect(succeeded(await sandbox.undo()).snapshot).toBe(first)
  expect(await read(sandbox)).toBe("1\n")
  expect(await namesOf(sandbox)).toEqual(["initial", first])
  expect(succeeded(await sandbox.undo()).snapshot).toBe("initial")
  expect(succeeded(await sandbox.run("ls", { snapshot: false })).stdout).toBe("")
  expect(failed(await sandbox.undo()).code).toBe("not_found")
  expect(await namesOf(sandbox)).toEqual(["initial"])
})

test("undo ends what runs", async () => {
  const sandbox = await server.create()
  succeeded(await sandbox.run("touch file"))
  const running = sandbox.run("touch /dev/shm/begun; sleep 12345")
  await eventually("the command to begin", 20_000, async () => {
    const { exitCode } = succeeded(await sandbox.run("test -e /dev/shm/begun", { snapshot: false }))
    return exitCode === 0 ? true : undefined
  })
  succeeded(await sandbox.undo())
  expect(failed(await running).code).toBe("interrupted")
  expect(succeeded(await sandbox.run("pgrep -x sleep; ls")).stdout).toBe("")
})

test("a restore that keeps makes a sandbox of the present, with all its snapshots", async () => {
  const sandbox = await server.create()
  const { snapshot: first } = succeeded(await sandbox.run("echo 1 > file"))
  const { snapshot: second } = succeeded(await sandbox.run("echo 2 > file"))
  succeeded(await sandbox.run("echo 3 > file", { snapshot: false }))
  const { kept } = succeeded(await sandbox.restore(first, { keep: true }))
  expect(kept).toBe(`${sandbox.name}-kept`)
  expect(await read(sandbox)).toBe("1\n")
  expect(await namesOf(sandbox)).toEqual(["initial", first])
  const keeper = server.sandbox(kept ?? "")
  expect(await read(keeper)).toBe("3\n")
  expect(await namesOf(keeper)).toEqual(["initial", first, second, matching(/^fork_\d+$/)])
  succeeded(await keeper.restore(second))
  expect(await read(keeper)).toBe("2\n")
  expect(succeeded(await sandbox.restore("initial", { keep: true })).kept).toBe(`${sandbox.name}-kept-2`)
})

test("a restore that keeps and fails makes nothing", async () => {
  const sandbox = await server.create()
  const names = async () => succeeded(await server.client().list()).vms.map(({ name }) => name)
  const before = await names()
  expect(failed(await sandbox.restore("no-such", { keep: true })).code).toBe("not_found")
  expect(await names()).toEqual(before)
})

test("names and labels that there are not are not found", async () => {
  const sandbox = await server.create()
  for (const name of ["no-such", "cmd_1"]) {
    expect(failed(await sandbox.restore(name)).code).toBe("not_found")
    expect(failed(await sandbox.deleteSnapshot(name)).code).toBe("not_found")
  }
  expect(failed(await sandbox.deleteSnapshot("initial")).code).toBe("invalid_request")
  expect(failed(await server.sandbox("no-such").snapshot()).code).toBe("not_found")
  expect(failed(await server.sandbox("no-such").undo()).code).toBe("not_found")
})
