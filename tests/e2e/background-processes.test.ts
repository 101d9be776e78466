import { readFileSync } from "node:fs"
import type { Process, Sandbox } from "opensandbox"
import { beforeAll, expect, test } from "vitest"
import { opensandbox } from "../support/cli.js"
import { failed, succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"

let server: TestServer

beforeAll(async () => {
  server = await TestServer.start()
  return () => server.dispose()
}, serverStartMs)

/** Milliseconds for a test that does much on an emulated machine. */
const longMs = 120_000

async function start(sandbox: Sandbox, command: string): Promise<Process> {
  return succeeded(await sandbox.start(command)).process
}

async function all<T>(pieces: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const piece of pieces) found.push(piece)
  return found
}

const textOf = async (pieces: AsyncIterable<string>) => (await all(pieces)).join("")

/** Reads until so much was printed. */
async function readUntil(pieces: AsyncIterable<string>, end: string): Promise<string> {
  let text = ""
  for await (const piece of pieces) {
    text += piece
    if (text.includes(end)) return text
  }
  throw new Error(`it ended after ${text}`)
}

test("a command and a terminal share the processor with all background processes together, half and half", async () => {
  const sandbox = await server.create()
  const spin = "while :; do :; done"
  const spinners = await Promise.all(Array.from({ length: 8 }, () => start(sandbox, spin)))
  const used = (share: string) => `$(sed -n 's/^usage_usec //p' /sys/fs/cgroup/sandbox/${share}/cpu.stat)`
  const ours = `f=${used("foreground")}; b=${used("background")}`
  // As long as it takes: how much the host lets the machine have meanwhile is of no account.
  const { stdout } = succeeded(
    await sandbox.run(`${ours}; for i in {1..30000}; do :; done; F=$f B=$b; ${ours}; echo $((f-F)) $((b-B))`),
  )
  const [foreground, background] = stdout.trim().split(" ").map(Number) as [number, number]
  const part = foreground / (foreground + background)
  expect(part).toBeGreaterThan(0.4)
  expect(part).toBeLessThan(0.6)
  for (const spinner of spinners) succeeded(await spinner.kill("SIGKILL"))
  const terminal = succeeded(await sandbox.terminal()).terminal
  terminal.write("cat /proc/self/cgroup; exit\n")
  expect(Buffer.concat(await all(terminal)).toString()).toContain("/sandbox/foreground/")
  succeeded(await sandbox.destroy())
})

test("a process is talked to while it runs, and leaves no snapshot", async () => {
  const sandbox = await server.create()
  const { process } = succeeded(
    await sandbox.start(
      'echo "in $PWD with $A"; while read line; do echo "got $line"; done; echo bye >&2; exit 3',
      {
        cwd: "/tmp",
        env: { A: "ä" },
      },
    ),
  )
  expect(await readUntil(process.stdout, "\n")).toBe("in /tmp with ä\n")
  succeeded(await process.stdin.write("one\n"))
  expect(await readUntil(process.stdout, "one\n")).toBe("in /tmp with ä\ngot one\n")
  const [listed] = succeeded(await sandbox.processes()).processes
  expect(listed).toMatchObject({ pid: process.pid, running: true, exitCode: null, signal: null })
  succeeded(await process.stdin.end("two\n"))
  expect(await process.wait()).toEqual({ success: true, exitCode: 3, signal: null })
  expect(await textOf(process.stderr)).toBe("bye\n")
  expect(await all(process.output)).toContainEqual({ stream: "stderr", data: "bye\n" })
  expect(failed(await process.stdin.write("more\n")).code).toBe("not_found")
  expect(failed(await process.kill()).code).toBe("not_found")
  expect(succeeded(await sandbox.processes()).processes[0]).toMatchObject({ running: false, exitCode: 3 })
  expect(succeeded(await sandbox.snapshots()).snapshots).toHaveLength(1)
  expect(failed(await sandbox.start("true", { cwd: "/none" }))).toMatchObject({
    code: "invalid_request",
    field: "cwd",
  })
  succeeded(await sandbox.destroy())
})

test("another client gets what was printed and what is, and the first one goes on", async () => {
  const sandbox = await server.create()
  const process = await start(sandbox, "echo before; while read line; do echo $line; done")
  const first = textOf(process.stdout)
  await readUntil(process.stdout, "before\n")
  const other = succeeded(await server.sandbox(sandbox.name).attach(process.pid)).process
  const second = textOf(other.stdout)
  succeeded(await other.stdin.write("from the other\n"))
  await readUntil(process.stdout, "other\n")
  succeeded(await process.stdin.end("from the first\n"))
  expect(await Promise.all([first, second])).toEqual(
    Array<string>(2).fill("before\nfrom the other\nfrom the first\n"),
  )
  expect(failed(await sandbox.attach(process.pid + 1000)).code).toBe("not_found")
  succeeded(await sandbox.destroy())
})

test(
  "a reader that keeps up misses nothing of what is more than the sandbox keeps",
  { timeout: longMs },
  async () => {
    const sandbox = await server.create()
    let skipped = 0
    const onSkipped = (bytes: number) => (skipped += bytes)
    const { process } = succeeded(
      await sandbox.start("echo begun; read x; seq 600000", { encoding: "buffer", onSkipped }),
    )
    const read: Uint8Array[] = []
    for await (const piece of process.stdout) {
      // Not before it is listened to.
      if (read.length === 0) succeeded(await process.stdin.write("\n"))
      read.push(piece)
    }
    const lines = Array.from({ length: 600_000 }, (_, n) => `${n + 1}\n`)
    expect(Buffer.concat(read).toString()).toBe(["begun\n", ...lines].join(""))
    expect(skipped).toBe(0)
    succeeded(await sandbox.destroy())
  },
)

test("a terminal has a size, which can be changed", async () => {
  const sandbox = await server.create()
  const { process } = succeeded(
    await sandbox.start("stty size; read x; stty size", { pty: { cols: 101, rows: 31 } }),
  )
  await readUntil(process.stdout, "31 101")
  succeeded(await process.resize(80, 24))
  succeeded(await process.stdin.write("\n"))
  expect(await textOf(process.stdout)).toContain("24 80")
  succeeded(await sandbox.destroy())
})

test("a signal reaches the process, and SIGKILL all that it started", async () => {
  const sandbox = await server.create()
  const process = await start(
    sandbox,
    "trap 'echo caught' INT; setsid sleep 7001 & echo ready; while :; do wait; done",
  )
  await readUntil(process.stdout, "ready\n")
  succeeded(await process.kill("SIGINT"))
  await readUntil(process.stdout, "caught\n")
  expect(failed(await process.kill("SIGNOT")).code).toBe("invalid_request")
  succeeded(await process.kill("SIGKILL"))
  expect(await process.wait()).toMatchObject({ exitCode: null, signal: "SIGKILL" })
  await expect
    .poll(async () => succeeded(await sandbox.run("pgrep -fx 'sleep 7001'", { snapshot: false })).exitCode)
    .toBe(1)
  {
    await using disposed = await start(sandbox, "sleep 7002")
    expect(disposed.pid).toBeGreaterThan(0)
  }
  expect(succeeded(await sandbox.processes()).processes.map(({ running }) => running)).not.toContain(true)
  succeeded(await sandbox.destroy())
})

test("a process survives kill -9 of the server, and its reader goes on where it was", async () => {
  const { name } = await server.create()
  const process = await start(server.sandbox(name), "echo before; while read line; do echo $line; done")
  await readUntil(process.stdout, "before\n")
  await server.kill()
  expect(failed(await process.stdin.write("x")).code).toBe("unavailable")
  process.detach()
  await server.restart()
  const again = succeeded(await server.sandbox(name).attach(process.pid)).process
  succeeded(await again.stdin.end("after\n"))
  expect(await textOf(again.stdout)).toBe("before\nafter\n")
  expect(await again.wait()).toMatchObject({ exitCode: 0 })
  succeeded(await server.sandbox(name).destroy())
})

test("a restore ends processes, and says so to whoever waits", async () => {
  const sandbox = await server.create()
  const process = await start(sandbox, "echo ready; sleep 7003")
  await readUntil(process.stdout, "ready\n")
  const waited = process.wait()
  succeeded(await sandbox.restore("initial"))
  expect(failed(await waited).code).toMatch(/interrupted|not_found/)
  expect(succeeded(await sandbox.processes()).processes).toEqual([])
  expect(failed(await process.wait()).code).toBe("not_found")
  succeeded(await sandbox.destroy())
})

test("those who come and go leave nothing behind", { timeout: longMs }, async () => {
  const sandbox = await server.create()
  const process = await start(sandbox, "echo ready; sleep 7004")
  // More than the agent has streams.
  for (let round = 0; round < 15; round += 1) {
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        const attached = succeeded(await sandbox.attach(process.pid)).process
        const waited = attached.wait()
        await readUntil(attached.stdout, "ready\n")
        attached.detach()
        expect(failed(await waited).code).toBe("aborted")
      }),
    )
  }
  expect(succeeded(await sandbox.run("echo fine", { snapshot: false })).stdout).toBe("fine\n")
  succeeded(await process.kill())
  expect(await process.wait()).toMatchObject({ signal: "SIGTERM" })
  succeeded(await sandbox.destroy())
})

/** The memory of the server's process, in MiB. */
function serverMemory(): number {
  const status = readFileSync(`/proc/${server.pid}/status`, "utf8")
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1024
}

test(
  "a client that stops reading neither holds the process up nor fills the server",
  { timeout: longMs },
  async () => {
    const sandbox = await server.create()
    const process = await start(sandbox, "read x; head -c 100M /dev/zero; echo done >&2")
    const path = `/vms/${sandbox.name}/processes/${process.pid}/output?offset=0`
    const response = await fetch(server.url + path, { headers: { "x-api-key": server.apiKey } })
    const before = serverMemory()
    succeeded(await process.stdin.write("\n"))
    expect(await process.wait()).toMatchObject({ exitCode: 0 })
    expect(serverMemory() - before).toBeLessThan(48)
    const text = await response.text()
    expect(text).toContain("event: skipped")
    expect(text).toMatch(/event: exit\ndata: \{"exitCode":0,"signal":null\}\n\n$/)
    let skipped = 0
    const attached = succeeded(
      await sandbox.attach(process.pid, { onSkipped: (bytes) => (skipped += bytes) }),
    ).process
    const kept = await all(attached.output)
    expect(kept.reduce((sum, { data }) => sum + data.length, 0)).toBe(1024 * 1024)
    expect(kept.at(-1)).toEqual({ stream: "stderr", data: "done\n" })
    expect(skipped).toBe(0)
    succeeded(await sandbox.destroy())
  },
)

test("the command line starts, lists, reads and ends processes", async () => {
  const { name } = await server.create()
  const env = { OPENSANDBOX_API_KEY: server.apiKey, OPENSANDBOX_BASE_URL: server.url }
  const cli = (...args: string[]) => opensandbox(args, { env })
  const started = await cli("run", "-d", name, "echo ready; sleep 7005")
  const pid = started.stdout.trim()
  expect(pid).toMatch(/^\d+$/)
  await expect.poll(async () => (await cli("logs", name, pid)).stdout).toBe("ready\n")
  expect((await cli("ps", name)).stdout).toMatch(
    new RegExp(`^${pid} +running .* echo ready; sleep 7005$`, "m"),
  )
  const followed = cli("logs", name, pid, "-f")
  expect(await cli("kill", name, pid)).toMatchObject({ code: 0 })
  expect(await followed).toMatchObject({ code: 0, stdout: "ready\n" })
  expect((await cli("ps", name)).stdout).toMatch(new RegExp(`^${pid} +SIGTERM `, "m"))
  succeeded(await server.sandbox(name).destroy())
})
