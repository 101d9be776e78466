import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { beforeAll, describe, expect, test } from "vitest"
import { eventually } from "../support/eventually.js"
import { killMachine, type RunningMachine } from "../support/machines.js"
import { failed, succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"
import { workspaceHash } from "../support/workspace.js"

/** How long the end of a machine may take. */
const endMs = 10_000

let parent: string
let server: TestServer

beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), "osb-"))
  server = await TestServer.start({ dataDirectory: join(parent, "data") })
  return async () => {
    await server.dispose()
    await rm(parent, { recursive: true })
  }
}, serverStartMs)

/** The one machine that runs. */
function onlyMachine(): RunningMachine {
  const [machine, ...others] = server.machines()
  if (machine === undefined || others.length > 0) throw new Error("one machine should run")
  return machine
}

const entries = (...path: string[]) => readdir(join(server.dataDirectory, ...path))

describe("what the host sees", () => {
  test("a sandbox is one confined process without a network, and nothing of it stays", async () => {
    const sandbox = await server.create()
    const { pid } = onlyMachine()
    const status = await readFile(`/proc/${pid}/status`, "utf8")
    expect(status).toMatch(/^Seccomp:\t2$/m)
    expect(status).toMatch(/^NoNewPrivs:\t1$/m)
    const commandLine = (await readFile(`/proc/${pid}/cmdline`, "utf8")).split("\0")
    expect(commandLine[0]).toMatch(/qemu-system/)
    expect(commandLine.filter((argument) => /netdev|virtio-net|^-nic$/.test(argument))).toEqual([])
    succeeded(await sandbox.run("echo x > x"))
    succeeded(await sandbox.run("echo y > y"))
    succeeded(await sandbox.restore("initial"))
    expect(server.machines().some((machine) => machine.pid !== pid)).toBe(true)
    await eventually("the machine from before the restore to end", endMs, () =>
      server.machines().every((machine) => machine.pid !== pid) ? true : undefined,
    )
    expect(server.machines()).toHaveLength(1)
    succeeded(await sandbox.destroy())
    expect(server.machines()).toEqual([])
    expect(await entries("machines")).toEqual([])
    expect(await entries("layers")).toEqual([])
  })

  test("nothing in the data directory is for others, even where the directory itself is open to them", async () => {
    expect((await lstat(server.dataDirectory)).mode & 0o777).toBe(0o700)
    const open = join(parent, "open")
    await mkdir(open)
    await chmod(open, 0o755)
    const other = await TestServer.start({ dataDirectory: open })
    try {
      await other.create()
      for (const name of await readdir(open)) {
        const { mode } = await lstat(join(open, name))
        expect({ name, others: mode & 0o077 }).toEqual({ name, others: 0 })
      }
    } finally {
      await other.dispose()
    }
  })
})

describe("kill -9", () => {
  test("of a machine: its next use starts it from its head, with what was synced", async () => {
    const sandbox = await server.create()
    const { snapshot } = succeeded(await sandbox.run("head -c 1M /dev/urandom > random"))
    const hash = await workspaceHash(sandbox)
    succeeded(await sandbox.run("(sleep 5001; true) > /dev/null 2>&1 & echo later > later; sync"))
    const later = await workspaceHash(sandbox)
    for (let round = 0; round < 3; round += 1) {
      await killMachine(server.dataDirectory, onlyMachine())
      expect(await workspaceHash(sandbox)).toBe(later)
    }
    expect(succeeded(await sandbox.run("pgrep -x sleep")).stdout).toBe("")
    await killMachine(server.dataDirectory, onlyMachine())
    succeeded(await sandbox.restore(snapshot))
    expect(await workspaceHash(sandbox)).toBe(hash)
    await killMachine(server.dataDirectory, onlyMachine())
    succeeded(await sandbox.wipe())
    await killMachine(server.dataDirectory, onlyMachine())
    expect(succeeded(await sandbox.run("ls -A")).stdout).toBe("")
    await killMachine(server.dataDirectory, onlyMachine())
    succeeded(await sandbox.destroy())
    expect(await entries("layers")).toEqual([])
  })

  test("of a machine while a command runs: the command fails at once", async () => {
    const sandbox = await server.create()
    succeeded(await sandbox.run("echo kept > kept"))
    const running = sandbox.run("echo begun; touch /tmp/started; sleep 600", 600)
    await expect.poll(async () => succeeded(await sandbox.run("ls /tmp/started")).exitCode).toBe(0)
    await killMachine(server.dataDirectory, onlyMachine())
    expect(failed(await running)).toMatchObject({ code: "unavailable", stdout: "begun\n" })
    expect(succeeded(await sandbox.run("cat kept")).stdout).toBe("kept\n")
    succeeded(await sandbox.destroy())
  })

  test("of the server: its machines go on, and so do their processes", async () => {
    const { name } = await server.create()
    const before = succeeded(await server.sandbox(name).run("sleep 6001 > /dev/null 2>&1 & echo kept > kept"))
    const machine = onlyMachine()
    const lost = server.sandbox(name).run("echo never; sleep 600", 600)
    await expect
      .poll(async () => succeeded(await server.sandbox(name).run("pgrep -fx 'sleep 600'")).exitCode)
      .toBe(0)
    await server.kill()
    expect(failed(await lost).code).toBe("unavailable")
    await server.restart()
    expect(onlyMachine()).toEqual(machine)
    const sandbox = server.sandbox(name)
    expect(succeeded(await sandbox.run("cat kept; pgrep -ax sleep")).stdout).toMatch(
      /^kept\n\d+ sleep 6001\n$/,
    )
    const { snapshots } = succeeded(await sandbox.snapshots())
    expect(snapshots[1]?.snapshot_name).toBe(before.snapshot)
    succeeded(await sandbox.restore(before.snapshot))
    succeeded(await sandbox.destroy())
    expect(await entries("layers")).toEqual([])
  })

  test("of everything, as a reboot does: all snapshots are there, and the next use starts the machine", async () => {
    const { name } = await server.create()
    const { snapshot } = succeeded(
      await server.sandbox(name).run("mkdir d; head -c 100K /dev/urandom > d/random"),
    )
    const hash = await workspaceHash(server.sandbox(name))
    const { snapshots } = succeeded(await server.sandbox(name).snapshots())
    await server.kill()
    await killMachine(server.dataDirectory, onlyMachine())
    await server.restart()
    const sandbox = server.sandbox(name)
    expect(succeeded(await sandbox.info()).vm).toMatchObject({ status: "stopped", agentHealthy: false })
    expect(succeeded(await sandbox.snapshots()).snapshots).toEqual(snapshots)
    expect(server.machines()).toEqual([])
    expect(await workspaceHash(sandbox)).toBe(hash)
    expect(succeeded(await sandbox.info()).vm).toMatchObject({ status: "running", agentHealthy: true })
    succeeded(await sandbox.restore(snapshot))
    expect(await workspaceHash(sandbox)).toBe(hash)
    succeeded(await sandbox.destroy())
  })
})

test("a server that is asked to end ends its machines, and loses nothing", async () => {
  const { name } = await server.create()
  succeeded(await server.sandbox(name).run("(sleep 0.2; echo late > late) > /dev/null 2>&1 &"))
  await expect.poll(async () => succeeded(await server.sandbox(name).run("ls")).stdout).toBe("late\n")
  const running = server.sandbox(name).run("echo unsynced > unsynced; sleep 600", 600)
  await expect.poll(async () => succeeded(await server.sandbox(name).run("ls unsynced")).exitCode).toBe(0)
  await server.stop()
  expect(failed(await running).code).toBe("unavailable")
  expect(server.machines()).toEqual([])
  expect(await entries("machines")).toEqual([])
  await server.restart()
  expect(succeeded(await server.sandbox(name).run("ls")).stdout).toBe("late\nunsynced\n")
  succeeded(await server.sandbox(name).destroy())
  expect(await entries("layers")).toEqual([])
})
