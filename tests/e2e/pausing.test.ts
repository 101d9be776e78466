import type { Sandbox, VMInfo } from "opensandbox"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { exec, opensandbox } from "../support/cli.js"
import { askCounter, countsOn, startCounter, type Count } from "../support/counter.js"
import { eventually } from "../support/eventually.js"
import { flipBit } from "../support/flip-bit.js"
import { memoryFiles } from "../support/memory-files.js"
import { askPort } from "../support/port-request.js"
import { memoryFile, pausedMemoryOf } from "../support/recorded-memories.js"
import { failed, succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"
import { SshAccess } from "../support/ssh.js"

const deadlineMs = 60_000

/** How long a test may take that starts interpreters in an emulated machine. */
const slowMs = 120_000

let server: TestServer

beforeAll(async () => {
  server = await TestServer.start()
}, serverStartMs)

afterAll(() => server.dispose())

const infoOf = async (sandbox: Sandbox): Promise<VMInfo> => succeeded(await sandbox.info()).vm

async function paused(sandbox: Sandbox): Promise<void> {
  expect(succeeded(await sandbox.pause()).vm).toMatchObject({ status: "paused", agentHealthy: false })
}

/** Waits until a sandbox is paused, without doing anything in it. */
async function pausesByItself(sandbox: Sandbox): Promise<void> {
  await eventually("the sandbox to be paused", deadlineMs, async () =>
    (await infoOf(sandbox)).status === "paused" ? true : undefined,
  )
}

/** What a command prints that changes nothing. */
async function printed(sandbox: Sandbox, command: string): Promise<string> {
  return succeeded(await sandbox.run(command, { snapshot: false })).stdout
}

/** What a counter says that must be there. */
async function counted(sandbox: Sandbox): Promise<Count> {
  const count = await askCounter(sandbox)
  if (count === undefined) throw new Error("there is no counter")
  return count
}

const memories = async () => (await memoryFiles(server.dataDirectory)).filter((name) => name.endsWith(".mem"))

describe("a paused sandbox", () => {
  test("has no machine, and goes on where it was with its next command", async () => {
    const sandbox = await server.create()
    const pid = await startCounter(sandbox)
    const before = await counted(sandbox)
    const machines = server.machines().length
    await paused(sandbox)
    expect(server.machines()).toHaveLength(machines - 1)
    await paused(sandbox)

    const after = await countsOn(sandbox, before)
    expect(await infoOf(sandbox)).toMatchObject({ status: "running", agentHealthy: true, degraded: null })
    await countsOn(sandbox, after)
    const { processes } = succeeded(await sandbox.processes())
    expect(processes).toMatchObject([{ pid, running: true }])
  })

  test("takes snapshots, forks and goes back without being woken", async () => {
    const sandbox = await server.create()
    const { snapshot: first } = succeeded(await sandbox.run("echo 1 > file"))
    succeeded(await sandbox.run("echo 2 > file; echo here > /dev/shm/file", { snapshot: false }))
    await paused(sandbox)
    const { snapshot } = succeeded(await sandbox.snapshot())
    const fork = succeeded(await sandbox.fork(`${sandbox.name}-fork`)).sandbox
    expect(succeeded(await sandbox.readAt(snapshot.snapshot_name, "file")).content).toBe("2\n")
    expect((await infoOf(sandbox)).status).toBe("paused")
    expect(await printed(fork, "cat file; ls /dev/shm")).toBe("2\n")
    expect(await printed(sandbox, "cat file /dev/shm/file")).toBe("2\nhere\n")

    await paused(sandbox)
    succeeded(await sandbox.restore(first))
    expect((await infoOf(sandbox)).status).toBe("running")
    expect(await printed(sandbox, "cat file; ls /dev/shm")).toBe("1\n")
  })

  test("survives the end of its server, sudden or in order", async () => {
    const { name } = await server.create()
    const pid = await startCounter(server.sandbox(name))
    const first = await counted(server.sandbox(name))
    await paused(server.sandbox(name))
    await server.kill()
    await server.restart()
    expect((await infoOf(server.sandbox(name))).status).toBe("paused")
    const second = await countsOn(server.sandbox(name), first)
    await paused(server.sandbox(name))
    await server.restart()
    expect((await infoOf(server.sandbox(name))).status).toBe("paused")
    expect(server.machines()).toEqual([])
    await countsOn(server.sandbox(name), second)
    const { processes } = succeeded(await server.sandbox(name).processes())
    expect(processes).toMatchObject([{ pid, running: true }])
  })

  test("leaves nothing on the disk when it is resumed, restored or destroyed", async () => {
    const [resumed, restored, destroyed] = [
      await server.create(),
      await server.create(),
      await server.create(),
    ]
    const before = await memories()
    for (const sandbox of [resumed, restored, destroyed]) await paused(sandbox)
    expect(await memories()).toHaveLength(before.length + 3)
    succeeded(await resumed.resume())
    succeeded(await restored.restore("initial"))
    succeeded(await destroyed.destroy())
    await eventually("the memories' files to go", deadlineMs, async () =>
      (await memories()).join() === before.join() ? true : undefined,
    )
  })

  test("is destroyed when its time is over", async () => {
    const sandbox = await server.create()
    await paused(sandbox)
    succeeded(await sandbox.setLifetime({ ttl: 1 }))
    await eventually("the sandbox to be destroyed", deadlineMs, async () => {
      const info = await sandbox.info()
      return !info.success && info.code === "not_found" ? true : undefined
    })
  })

  test("that has no machine to pause stays stopped", async () => {
    const { name } = await server.create()
    await server.restart()
    expect(succeeded(await server.sandbox(name).pause()).vm.status).toBe("stopped")
  })

  test("starts from its disk, and says so, when its memory was damaged", async () => {
    const sandbox = await server.create()
    succeeded(await sandbox.run("echo kept > file; echo lost > /dev/shm/file"))
    await paused(sandbox)
    // Until then its file is still replaced by another one.
    const memory = await eventually("the memory to be compressed", deadlineMs, () => {
      const { id, state } = pausedMemoryOf(server.dataDirectory, sandbox.name)
      return state === "compressed" ? id : undefined
    })
    await flipBit(memoryFile(server.dataDirectory, memory))

    const { vm } = succeeded(await sandbox.resume())
    expect(vm.status).toBe("running")
    expect(vm.degraded).toContain("memory")
    expect(await printed(sandbox, "cat file; ls /dev/shm")).toBe("kept\n")
    expect(server.output).toContain(memory)
    await paused(sandbox)
    expect((await infoOf(sandbox)).degraded).toBeNull()
    expect(await printed(sandbox, "cat file")).toBe("kept\n")
  })
})

describe("a pause", () => {
  test("interrupts the callers of commands, which go on in the background", async () => {
    const sandbox = await server.create()
    const running = sandbox.run(
      "echo begun > begun; while test ! -e go; do sleep 0.1; done; echo done > done",
    )
    await eventually("the command to begin", deadlineMs, async () =>
      (await printed(sandbox, "ls")) === "begun\n" ? true : undefined,
    )
    await paused(sandbox)
    expect(failed(await running)).toMatchObject({ code: "interrupted" })
    const { processes } = succeeded(await sandbox.processes())
    expect(processes).toMatchObject([{ running: true }])
    expect(processes[0]?.command).toContain("while test ! -e go")
    succeeded(await sandbox.run("touch go", { snapshot: false }))
    await eventually("the command to end", deadlineMs, async () =>
      (await printed(sandbox, "cat done 2>/dev/null; true")) === "done\n" ? true : undefined,
    )
  })

  test("ends what follows a process, which can be attached to again", async () => {
    const sandbox = await server.create()
    const { process } = succeeded(await sandbox.start("while :; do echo tick; sleep 0.2; done"))
    const waiting = process.wait()
    await paused(sandbox)
    expect(failed(await waiting)).toMatchObject({ code: "interrupted" })
    const again = succeeded(await sandbox.attach(process.pid)).process
    expect((await infoOf(sandbox)).status).toBe("running")
    for await (const text of again.stdout) {
      expect(text.length).toBeGreaterThan(0)
      break
    }
    succeeded(await again.kill("SIGKILL"))
    expect(succeeded(await again.wait())).toMatchObject({ signal: "SIGKILL" })
  })

  test("takes turns with everything else", async () => {
    const sandbox = await server.create()
    const numbers = Array.from({ length: 6 }, (_, number) => number)
    const all = await Promise.all(
      numbers.map(async (number) => {
        if (number % 2 === 1) return sandbox.pause()
        return sandbox.run(`echo ${number} >> numbers`, { snapshot: number % 4 === 0 })
      }),
    )
    for (const result of all) if (!result.success) expect(result.code).toBe("interrupted")
    // What was interrupted goes on by itself.
    await eventually("all that was begun to end", deadlineMs, async () =>
      (await printed(sandbox, "sort -u numbers")) === "0\n2\n4\n" ? true : undefined,
    )
  })
})

describe("what wakes a paused sandbox", () => {
  let sandbox: Sandbox

  beforeAll(async () => {
    sandbox = await server.create()
    succeeded(await sandbox.run("echo content > file"))
    const serve = "python3 -m http.server 8000 --bind 127.0.0.1 > server.log 2>&1 &"
    succeeded(await sandbox.run(serve))
    succeeded(await sandbox.waitForPort(8000, 60))
    sandbox = server.sandbox(sandbox.name)
  }, slowMs)

  test("its files", async () => {
    await paused(sandbox)
    expect(succeeded(await sandbox.files.read("file")).content).toBe("content\n")
    await paused(sandbox)
    expect(succeeded(await sandbox.files.list(".")).files.map(({ name }) => name)).toContain("file")
  })

  test("its ports: the server behind them goes on", { timeout: slowMs }, async () => {
    await paused(sandbox)
    const options = { headers: { "x-api-key": server.apiKey } }
    const answer = await askPort(`${sandbox.url(8000)}file`, options)
    expect([answer.status, answer.body.toString()]).toEqual([200, "content\n"])
    await paused(sandbox)
    succeeded(await sandbox.waitForPort(8000, 60))
  })

  test("a terminal", async () => {
    await paused(sandbox)
    const { terminal } = succeeded(await sandbox.terminal({ command: "cat file" }))
    expect(await terminal.wait()).toMatchObject({ success: true, exitCode: 0 })
  })

  test("SSH", async () => {
    const access = await SshAccess.make()
    const { ssh_port } = await infoOf(sandbox)
    await access.trust(ssh_port)
    await paused(sandbox)
    const env = access.passwordEnv(server.apiKey)
    const { stdout } = await exec("ssh", [...access.withPassword(ssh_port), "cat file"], { env })
    expect(stdout).toBe("content\n")
    await access.dispose()
  })

  test("its processes", async () => {
    await paused(sandbox)
    succeeded(await sandbox.processes())
    expect((await infoOf(sandbox)).status).toBe("running")
  })

  test("resume, also by the command line", async () => {
    const env = { OPENSANDBOX_API_KEY: server.apiKey, OPENSANDBOX_BASE_URL: server.url }
    expect((await opensandbox(["pause", sandbox.name], { env })).stdout).toBe(`Paused ${sandbox.name}\n`)
    expect((await opensandbox(["resume", sandbox.name], { env })).stdout).toBe(`Resumed ${sandbox.name}\n`)
    expect((await infoOf(sandbox)).status).toBe("running")
  })
})

describe("a sandbox with an idle timeout", () => {
  test("is paused when nobody uses it, whatever runs in the background", async () => {
    const sandbox = succeeded(await server.client().create("idle", { idle_timeout: 1 })).sandbox
    const pid = await startCounter(sandbox)
    // Somebody waits for it all the time.
    const waiting = succeeded(await sandbox.attach(pid)).process.wait()
    const first = await counted(sandbox)
    await pausesByItself(sandbox)
    expect(failed(await waiting).code).toBe("interrupted")
    const second = await countsOn(sandbox, first)
    await pausesByItself(sandbox)
    await countsOn(sandbox, second)
  })

  test("stays awake for commands and connections, as long as they last", { timeout: slowMs }, async () => {
    const sandbox = succeeded(await server.client().create("awake", { idle_timeout: 1 })).sandbox
    expect(await printed(sandbox, "sleep 3; echo slept")).toBe("slept\n")
    const { terminal } = succeeded(await sandbox.terminal({ command: "sleep 3" }))
    expect(await terminal.wait()).toMatchObject({ success: true, exitCode: 0 })
    const slow = `require("http").createServer((_, answer) => setTimeout(() => answer.end("late"), 3000)).listen(9000)`
    succeeded(await sandbox.start(`node -e '${slow}'`))
    succeeded(await sandbox.waitForPort(9000, 60))
    const answer = await askPort(sandbox.url(9000), { headers: { "x-api-key": server.apiKey } })
    expect(answer.body.toString()).toBe("late")
    expect(failed(await sandbox.waitForPort(9999, 3)).code).toBe("timeout")
    await pausesByItself(sandbox)
  })

  test("that is set later, or taken back", async () => {
    const sandbox = await server.create()
    expect(succeeded(await sandbox.setLifetime({ idle_timeout: 1 })).vm.idle_timeout).toBe(1)
    await pausesByItself(sandbox)
    expect(succeeded(await sandbox.setLifetime({ idle_timeout: null })).vm).toMatchObject({
      idle_timeout: null,
      status: "paused",
    })
    succeeded(await sandbox.resume())
    expect((await infoOf(sandbox)).idle_timeout).toBeNull()
  })

  test("passes it on to its forks", async () => {
    const sandbox = succeeded(await server.client().create("father", { idle_timeout: 900, ttl: 900 })).sandbox
    const fork = succeeded(await sandbox.fork("child")).sandbox
    expect(await infoOf(fork)).toMatchObject({ idle_timeout: 900, expires_at: null })
    const { kept = "" } = succeeded(await sandbox.restore("initial", { keep: true }))
    expect(await infoOf(server.sandbox(kept))).toMatchObject({ idle_timeout: 900, expires_at: null })
  })
})
