import { availableParallelism } from "node:os"
import type { Sandbox } from "opensandbox"
import { afterAll, afterEach, beforeAll, expect, test } from "vitest"
import { exec } from "../support/cli.js"
import { askCounter, startCounter, type Count } from "../support/counter.js"
import { eventually } from "../support/eventually.js"
import { killMachine } from "../support/machines.js"
import { matching } from "../support/matchers.js"
import { memoryFiles, templateDirectories } from "../support/memory-files.js"
import { failed, succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"

/** A fresh count is at most so many steps ahead of one that was asked just before: it counts twenty times a second at most. */
const soonSteps = 20 * 60

let server: TestServer

beforeAll(async () => {
  server = await TestServer.start()
}, serverStartMs)

afterAll(() => server.dispose())

afterEach(destroyAll)

async function output(sandbox: Sandbox, command: string): Promise<string> {
  const { exitCode, stdout, stderr } = succeeded(await sandbox.run(command, { snapshot: false }))
  expect([exitCode, stderr]).toEqual([0, ""])
  return stdout
}

/** The counter's present count, on which memory and disk agree. */
async function count(sandbox: Sandbox): Promise<Count> {
  const found = await askCounter(sandbox)
  if (found === undefined) throw new Error("no counter answers")
  expect(found.disk).toBe(found.memory)
  return found
}

/** Sees that the counter went on from about where it was. */
async function expectGoesOn(sandbox: Sandbox, from: Count): Promise<Count> {
  const now = await count(sandbox)
  expect(now.secret).toBe(from.secret)
  expect(now.memory).toBeGreaterThan(from.memory)
  expect(now.memory).toBeLessThan(from.memory + soonSteps)
  return now
}

/** Destroys all sandboxes, of whose memories nothing may be left then. */
async function destroyAll(): Promise<void> {
  for (const { name } of succeeded(await server.client().list()).vms)
    succeeded(await server.sandbox(name).destroy())
  await eventually("nothing to be left", 20_000, async () => {
    const { dataDirectory } = server
    const left = [...(await memoryFiles(dataDirectory)), ...(await templateDirectories(dataDirectory))]
    return left.length === 0 ? true : undefined
  })
}

test("a snapshot of the whole machine brings memory, processes, sockets, tmpfs and files back as they were", async () => {
  const sandbox = await server.create()
  const pid = await startCounter(sandbox)
  await output(sandbox, "echo volatile > /dev/shm/file; echo kept > kept")
  const before = await count(sandbox)
  const { snapshot } = succeeded(await sandbox.snapshot("whole", { memory: true }))
  expect(snapshot).toMatchObject({ kind: "machine", label: "whole", degraded: false, damaged: false })
  await expectGoesOn(sandbox, before)
  const waiting = sandbox.run("sleep 600")
  await output(sandbox, "pkill -f '[c]ounter.py'; rm -rf /dev/shm/file /workspace/* /run/counter")
  expect(await askCounter(sandbox)).toBeUndefined()

  const restored = succeeded(await sandbox.restore("whole"))
  expect(restored.degraded).toBeUndefined()
  expect(failed(await waiting).code).toBe("interrupted")
  const again = await expectGoesOn(sandbox, before)
  expect(await output(sandbox, "cat /dev/shm/file kept")).toBe("volatile\nkept\n")
  const { processes } = succeeded(await sandbox.processes())
  expect(processes).toMatchObject([{ pid, command: "python3 counter.py", running: true }])
  const clock = Number(await output(sandbox, "date +%s"))
  expect(Math.abs(clock - Date.now() / 1000)).toBeLessThan(60)

  // It can be gone back to as often as one likes, and to the files before it as well.
  succeeded(await sandbox.restore("whole"))
  expect((await count(sandbox)).memory).toBeLessThan(again.memory + soonSteps)
  succeeded(await sandbox.restore("initial"))
  expect(await askCounter(sandbox)).toBeUndefined()
})

test("random numbers differ after each restore, and what a caller waited for is found among the processes", async () => {
  const sandbox = await server.create()
  const lost = sandbox.run("touch begun; sleep 1234; echo done > done")
  await eventually("the command to begin", 20_000, async () =>
    (await output(sandbox, "ls")).includes("begun") ? true : undefined,
  )
  succeeded(await sandbox.snapshot("while-it-runs", { memory: true }))
  succeeded(await sandbox.restore("while-it-runs"))
  expect(failed(await lost).code).toBe("interrupted")
  const first = await output(sandbox, "head -c 16 /dev/urandom | base64")
  const { processes } = succeeded(await sandbox.processes())
  expect(processes).toMatchObject([{ command: matching(/sleep 1234/), running: true }])
  const [{ pid } = { pid: 0 }] = processes

  succeeded(await sandbox.restore("while-it-runs"))
  expect(await output(sandbox, "head -c 16 /dev/urandom | base64")).not.toBe(first)
  await output(sandbox, "pkill -fx 'sleep 1234'")
  const { process } = succeeded(await sandbox.attach(pid))
  expect(await process.wait()).toMatchObject({ success: true, exitCode: 0 })
  expect(await output(sandbox, "cat done")).toBe("done\n")
})

test("a sandbox may take one after each command, each of which stores what differs from the one before", async () => {
  const { sandbox } = succeeded(await server.client().create("box", { snapshots: "machine" }))
  expect(succeeded(await sandbox.info()).vm.snapshots).toBe("machine")
  await startCounter(sandbox)
  const { snapshot: first } = succeeded(await sandbox.run("echo 1 > /dev/shm/number"))
  const { snapshot: second } = succeeded(await sandbox.run("echo 2 > /dev/shm/number"))
  succeeded(await sandbox.files.write("file", "content"))
  const { snapshots } = succeeded(await sandbox.snapshots())
  expect(snapshots.map(({ kind }) => kind)).toEqual(["disk", ...snapshots.slice(1).map(() => "machine")])
  const { snapshot: byHand } = succeeded(await sandbox.snapshot())
  expect(byHand.kind).toBe("machine")
  expect(succeeded(await sandbox.snapshot("files", { memory: false })).snapshot.kind).toBe("disk")

  // Without "files", which is of the disk alone.
  succeeded(await sandbox.undo())
  succeeded(await sandbox.undo())
  expect(await output(sandbox, "cat /dev/shm/number")).toBe("2\n")
  const before = await count(sandbox)
  succeeded(await sandbox.restore(second))
  await expectGoesOn(sandbox, { ...before, memory: 0 })
  succeeded(await sandbox.restore(first))
  expect(await output(sandbox, "cat /dev/shm/number")).toBe("1\n")
  expect((await count(sandbox)).secret).toBe(before.secret)
  // Its forks take the same.
  const { sandbox: fork } = succeeded(await sandbox.fork("fork"))
  succeeded(await fork.run("true"))
  expect(succeeded(await fork.snapshots()).snapshots.at(-1)?.kind).toBe("machine")
})

test("many snapshots rest on each other only so deep, and any of them can be deleted", async () => {
  const { sandbox } = succeeded(await server.client().create("deep", { snapshots: "machine" }))
  const names: string[] = []
  for (let number = 0; number < 12; number++)
    names.push(succeeded(await sandbox.run(`echo ${number} > /dev/shm/number`)).snapshot)
  for (const at of [1, 4, 9]) succeeded(await sandbox.deleteSnapshot(names[at] ?? ""))
  for (const at of [11, 10, 8, 7, 0]) {
    const { degraded } = succeeded(await sandbox.restore(names[at] ?? ""))
    expect(degraded).toBeUndefined()
    expect(await output(sandbox, "cat /dev/shm/number")).toBe(`${at}\n`)
  }
  expect((await memoryFiles(server.dataDirectory)).length).toBe(1)
})

test("live forks run on from one instant, each as somebody else", async () => {
  const sandbox = await server.create()
  await startCounter(sandbox)
  const before = await count(sandbox)
  const names = ["live-a", "live-b", "live-c"]
  const forked = succeeded(await server.client().fork(sandbox.name, names, { memory: true }))
  expect(forked.sandboxes.map(({ name }) => name)).toEqual(names)
  const after = await expectGoesOn(sandbox, before)
  for (const { status } of succeeded(await server.client().list()).vms) expect(status).toBe("running")
  const identities = new Set<string>()
  for (const fork of forked.sandboxes) {
    await expectGoesOn(fork, before)
    expect(await output(fork, "hostname")).toBe(`${fork.name}\n`)
    identities.add(await output(fork, "cat /etc/machine-id; head -c 16 /dev/urandom | base64"))
    expect(succeeded(await fork.snapshots()).snapshots.at(-1)).toMatchObject({
      snapshot_name: matching(/^fork_\d+$/),
      kind: "machine",
    })
  }
  expect(identities.size).toBe(names.length)

  // They go their own ways, and each can go back to where it began.
  const [one, two] = forked.sandboxes
  if (one === undefined || two === undefined) throw new Error("there are no forks")
  await output(one, "pkill -f '[c]ounter.py'")
  expect(await askCounter(one)).toBeUndefined()
  await expectGoesOn(two, after)
  const [begun] = succeeded(await one.snapshots()).snapshots.slice(-1)
  succeeded(await sandbox.destroy())
  succeeded(await one.restore(begun?.snapshot_name ?? ""))
  await expectGoesOn(one, before)
})

test("forks of a named snapshot run on from there; one of the disk alone has nothing to run on from", async () => {
  const sandbox = await server.create()
  const { snapshot: files } = succeeded(await sandbox.run("echo files > file"))
  await startCounter(sandbox)
  const before = await count(sandbox)
  succeeded(await sandbox.snapshot("whole", { memory: true }))
  await output(sandbox, "pkill -f '[c]ounter.py'")
  const { sandbox: fork } = succeeded(await sandbox.fork("from-whole", { snapshot: "whole", memory: true }))
  await expectGoesOn(fork, before)
  const { sandbox: cold } = succeeded(await sandbox.fork("cold", { snapshot: "whole" }))
  expect(await askCounter(cold)).toBeUndefined()
  expect(await output(cold, "cat file")).toBe("files\n")

  const refused = failed(await sandbox.fork("nothing", { snapshot: files, memory: true }))
  expect(refused).toMatchObject({ code: "invalid_request", field: "snapshot" })
  const taken = await server.client().fork(sandbox.name, ["new-one", "cold"], { memory: true })
  expect(failed(taken).code).toBe("already_exists")
  expect(succeeded(await server.client().list()).vms.map(({ name }) => name)).toEqual([
    sandbox.name,
    "from-whole",
    "cold",
  ])
})

test("the files of a snapshot of the whole machine are compared and read as those of any other", async () => {
  const sandbox = await server.create()
  succeeded(await sandbox.run("echo one > file"))
  succeeded(await sandbox.snapshot("whole", { memory: true }))
  succeeded(await sandbox.run("echo two > file; echo new > new"))
  const { changes } = succeeded(await sandbox.diff("whole"))
  expect(changes.map(({ change, path }) => `${change} ${path}`)).toEqual([
    "changed /workspace/file",
    "added /workspace/new",
  ])
  expect(succeeded(await sandbox.readAt("whole", "file")).content).toBe("one\n")
})

test("memory counts as disk: in what a sandbox takes, and against its quota", async () => {
  const sandbox = await server.create()
  const bytes = async () => succeeded(await sandbox.retention()).retention.bytes
  const before = await bytes()
  const { snapshot } = succeeded(await sandbox.snapshot("whole", { memory: true }))
  expect(snapshot.bytes).toBeGreaterThan(100_000)
  expect(await bytes()).toBeGreaterThan(before + 100_000)
  succeeded(await sandbox.setRetention({ quota_bytes: 50_000 }))
  expect(failed(await sandbox.snapshot("more", { memory: true })).code).toBe("quota_exceeded")
  succeeded(await sandbox.deleteSnapshot("whole"))
  await eventually("the memory's file to go", 20_000, async () =>
    (await memoryFiles(server.dataDirectory)).length === 0 ? true : undefined,
  )
})

test("a machine of another size goes on as well, with all that it has of it", async () => {
  const size = { cpus: Math.min(2, availableParallelism()), memory_mb: 768, disk_gb: 20 }
  const { sandbox } = succeeded(await server.client().create("sized", size))
  await startCounter(sandbox)
  const before = await count(sandbox)
  succeeded(await sandbox.snapshot("whole", { memory: true }))
  const look = "nproc; df --output=size -BG / | tail -1"
  const had = await output(sandbox, look)
  succeeded(await sandbox.restore("whole"))
  await expectGoesOn(sandbox, before)
  expect(await output(sandbox, look)).toBe(had)
})

test("snapshots of the whole machine outlive the server and its machines", async () => {
  const { name } = await server.create()
  await startCounter(server.sandbox(name))
  const before = await count(server.sandbox(name))
  succeeded(await server.sandbox(name).snapshot("whole", { memory: true }))
  await server.kill()
  for (const machine of server.machines()) await killMachine(server.dataDirectory, machine)
  await server.restart()
  expect(await askCounter(server.sandbox(name))).toBeUndefined()
  succeeded(await server.sandbox(name).restore("whole"))
  const after = await expectGoesOn(server.sandbox(name), before)
  // A machine that was taken up again is one of which the new server knows no page.
  await server.kill()
  await server.restart()
  await expectGoesOn(server.sandbox(name), after)
  succeeded(await server.sandbox(name).snapshot("later", { memory: true }))
  await server.restart()
  succeeded(await server.sandbox(name).restore("later"))
  await expectGoesOn(server.sandbox(name), after)
})

test("the example of README brings a web server and a Python session back", async () => {
  const { code, stdout, stderr } = await exec(process.execPath, ["examples/whole-machine.mjs"], {
    env: { OPENSANDBOX_API_KEY: server.apiKey, OPENSANDBOX_BASE_URL: server.url },
  })
  expect([code, stderr]).toEqual([0, ""])
  expect(stdout).toContain("the web server: <h1>It is served</h1>")
  expect(stdout).toContain("the Python session: the answer is 42")
})
