import { readdir, rename, rm } from "node:fs/promises"
import { join } from "node:path"
import type { Sandbox } from "opensandbox"
import { afterAll, afterEach, beforeAll, expect, test } from "vitest"
import { eventually } from "../support/eventually.js"
import { killMachine, machineDirectories, type RunningMachine } from "../support/machines.js"
import { succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"

/** How long a machine takes to be made ready on a host with much else to do. */
const readyMs = 60_000

let server: TestServer

beforeAll(async () => {
  server = await TestServer.start({ env: { OPENSANDBOX_POOL_SIZE: "1" } })
}, serverStartMs)

afterAll(() => server.dispose())

/** Each test begins without sandboxes. */
afterEach(async () => {
  for (const { name } of succeeded(await server.client().list()).vms)
    succeeded(await server.sandbox(name).destroy())
})

/** The machine that waits to be used, once there is one. @param but One that does not count. */
function ready(but?: RunningMachine): Promise<RunningMachine> {
  return eventually("a machine to be ready", readyMs, async () => {
    const metrics = await fetch(`${server.url}/metrics`, { headers: { "x-api-key": server.apiKey } })
    const [machine] = server.warmMachines()
    // One that is there need not be ready yet; the server counts those that are.
    const counted = /^opensandbox_warm_machines 1$/m.test(await metrics.text())
    return counted && machine?.pid !== but?.pid ? machine : undefined
  })
}

async function output(name: string, command: string): Promise<string> {
  return succeeded(await server.sandbox(name).run(command)).stdout
}

const pids = () => server.machines().map(({ pid }) => pid)

const directories = () => readdir(join(server.dataDirectory, "machines"))

test("a sandbox is created on the machine that is ready, which is its own from then on", async () => {
  const { pid } = await ready()
  const { name } = await server.create()
  expect(pids()).toEqual([pid])
  expect(await output(name, "hostname; cat /etc/hostname; pwd; ls -A")).toBe(`${name}\n${name}\n/workspace\n`)
  expect(Math.abs(Number(await output(name, "date +%s")) * 1000 - Date.now())).toBeLessThan(30_000)
})

test("nothing is left of the rehearsal", async () => {
  await ready()
  const { name } = await server.create()
  const traces = [
    "grep -c rehearsal /proc/self/mountinfo /etc/hostname /etc/hosts",
    // The agent's threads see the same mounts and the same hostname.
    "readlink /proc/1/task/*/ns/mnt /proc/1/task/*/ns/uts | sort -u | wc -l",
    "ls -R /sys/fs/cgroup/sandbox | grep rehearsal",
    "find / -xdev -maxdepth 2 -name '*rehears*'",
  ]
  expect(await output(name, traces.join("; "))).toBe(
    "/proc/self/mountinfo:0\n/etc/hostname:0\n/etc/hosts:0\n2\n",
  )
})

test("two sandboxes from the pool have neither ids nor random numbers in common", async () => {
  const told: string[] = []
  for (let count = 0; count < 2; count++) {
    await ready()
    const { name } = await server.create()
    told.push(
      await output(
        name,
        "cat /etc/machine-id /proc/sys/kernel/random/uuid; head -c 16 /dev/urandom | base64",
      ),
    )
  }
  const lines = told.flatMap((text) => text.trim().split("\n"))
  expect([lines.length, new Set(lines).size]).toEqual([6, 6])
})

test("a restore goes on on the machine that is ready, with all that the snapshot had and nothing else", async () => {
  const { name } = await server.create()
  const sandbox = server.sandbox(name)
  const snapshots: string[] = []
  for (let count = 0; count < 12; count++) {
    const written = `head -c 30000 /dev/urandom > file-${count}; sha256sum file-* > sums`
    snapshots.push(succeeded(await sandbox.run(written)).snapshot)
  }
  const look = "sha256sum --check --quiet sums && ls file-* | wc -l"
  for (const place of [10, 3]) {
    const { pid } = await ready()
    succeeded(await sandbox.restore(snapshots[place] ?? ""))
    expect(pids()).toContain(pid)
    expect(await output(name, look)).toBe(`${place + 1}\n`)
  }
  succeeded(await sandbox.undo())
  expect(await output(name, look)).toBe("4\n")
})

test("a fork starts on it, and so does a sandbox whose machine has ended", async () => {
  const { name } = await server.create()
  succeeded(await server.sandbox(name).run("echo kept > file"))
  succeeded(await server.sandbox(name).fork("pool-fork"))
  for (let count = 0; count < 2; count++) {
    const { pid } = await ready()
    expect(await output("pool-fork", "cat file; hostname")).toBe("kept\npool-fork\n")
    const mine = server.machines().find((machine) => machine.pid === pid)
    expect(mine).toBeDefined()
    if (mine !== undefined) await killMachine(server.dataDirectory, mine)
  }
})

test("a sandbox with a network starts without it", async () => {
  const warm = await ready()
  const network = { allow: ["example.com:80"] }
  const { sandbox } = succeeded(await server.client().create("pool-network", { network }))
  expect(succeeded(await sandbox.run("echo works")).stdout).toBe("works\n")
  expect(pids()).not.toContain(warm.pid)
  expect(server.warmMachines()).toContainEqual(warm)
})

test("one that dies is replaced, and its files are removed", async () => {
  const warm = await ready()
  await killMachine(server.dataDirectory, warm)
  const { name } = await server.create()
  expect(await output(name, "echo works")).toBe("works\n")
  await ready(warm)
  expect(await directories()).not.toContain(warm.id)
})

test("a server that was killed finds what its sandboxes run on, and ends what waited", async () => {
  await ready()
  const { name } = await server.create()
  succeeded(await server.sandbox(name).run("echo before > file; touch /run/not-on-the-disk"))
  const [running, warm] = [pids(), await ready()]
  await server.kill()
  await server.restart()
  expect(pids()).toEqual(running)
  expect(server.warmMachines()).not.toContainEqual(warm)
  expect(await directories()).not.toContain(warm.id)
  expect(await output(name, "cat file; test -e /run/not-on-the-disk && echo after > file")).toBe("before\n")
  expect(await output(name, "cat file")).toBe("after\n")
})

test("a machine that had only got its name from the pool when the server died is not taken up", async () => {
  const { name } = await server.create()
  succeeded(await server.sandbox(name).run("echo kept > file"))
  const [machine] = server.machines()
  if (machine === undefined) throw new Error("the sandbox has no machine")
  const warm = await ready()
  await server.kill()
  await killMachine(server.dataDirectory, machine)
  const directory = join(server.dataDirectory, "machines", machine.id)
  await rm(directory, { recursive: true })
  await rename(join(server.dataDirectory, "machines", warm.id), directory)
  await server.restart()
  expect(pids()).toEqual([])
  expect(await output(name, "cat file")).toBe("kept\n")
})

const operations: Record<string, (sandbox: Sandbox, snapshot: string) => Promise<{ success: boolean }>> = {
  "create.machine-started": () => server.client().create("unborn"),
  "start.machine-started": (sandbox) => sandbox.run("true"),
  "restore.machine-started": (sandbox, snapshot) => sandbox.restore(snapshot),
}

test.each(Object.entries(operations))(
  "a server that dies at %s, on a machine that was ready, loses and leaves nothing",
  async (failpoint, operation) => {
    const { name } = await server.create()
    const { snapshot } = succeeded(await server.sandbox(name).run("echo kept > file"))
    // Stopped, it has no machine when it is there again.
    if (failpoint.startsWith("restore")) await server.kill()
    else await server.stop()
    await server.restart(`${failpoint}:1`)
    const { pid } = await ready()
    const lost = operation(server.sandbox(name), snapshot)
    expect((await lost).success).toBe(false)
    await server.killedItself(readyMs)
    expect(pids()).toContain(pid)
    await server.restart()
    expect(await machineDirectories(server.dataDirectory)).toEqual(server.machines().map(({ id }) => id))
    expect(await output(name, "cat file")).toBe("kept\n")
    expect(succeeded(await server.client().list()).vms.map((vm) => vm.name)).toEqual([name])
  },
)
