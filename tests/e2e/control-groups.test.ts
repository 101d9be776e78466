import { join } from "node:path"
import { build } from "esbuild"
import type { Sandbox } from "opensandbox"
import { afterAll, beforeAll, expect, test } from "vitest"
import { repository } from "../support/repository.js"
import { succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"

/**
 * Hosts differ in what their control groups allow, and a test may not change them. A sandbox has a kernel of its own, where
 * everything is allowed: there a program takes the server's part, with that module of it.
 */
const program = `
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { MachineCgroups } from "./machine-cgroups.mjs"

const [, , ...args] = process.argv
try {
  const cgroups = await MachineCgroups.open()
  const child = spawn("python3", args, { stdio: ["pipe", "pipe", "inherit"] })
  await cgroups.confine(child.pid, { cpus: 1, memoryMiB: 32, accelerator: "kvm" })
  const group = readFileSync("/proc/" + child.pid + "/cgroup", "utf8").trim().replace(String(child.pid), "PID")
  child.stdin.end("go\\n")
  let output = ""
  child.stdout.on("data", (text) => (output += text))
  const [code, signal] = await once(child, "close")
  await cgroups.sweep()
  console.log(JSON.stringify({ controllers: cgroups.controllers, group, code, signal, output }))
} catch (error) {
  console.log(JSON.stringify({ name: error.name, message: error.message }))
}
`

/** What the confined process does once it is told to go: takes memory, then has as many children as it can. */
const takes = (mebibytes: number) => `
import os, signal
input()
data = bytearray(${mebibytes} << 20)
print(len(data) >> 20)
del data
children = []
try:
  while len(children) < 1000:
    child = os.fork()
    if child == 0: signal.pause()
    children.append(child)
except BlockingIOError: print(len(children))
for child in children: os.kill(child, signal.SIGKILL)
`

let server: TestServer
let sandbox: Sandbox

beforeAll(async () => {
  server = await TestServer.start()
  sandbox = await server.create()
  const { outputFiles } = await build({
    entryPoints: [join(repository, "vm", "src", "cgroups", "machine-cgroups.ts")],
    bundle: true,
    platform: "node",
    format: "esm",
    write: false,
  })
  succeeded(await sandbox.files.write("machine-cgroups.mjs", outputFiles[0]?.text ?? ""))
  succeeded(await sandbox.files.write("program.mjs", program))
}, serverStartMs)

afterAll(() => server.dispose())

/** Runs the program in a group of the guest. @param script What the process that it confines does. */
async function confined(group: string, script: string): Promise<unknown> {
  const enter = `mkdir -p /sys/fs/cgroup/${group} && echo $$ > /sys/fs/cgroup/${group}/cgroup.procs`
  const result = succeeded(
    await sandbox.run(`${enter} && exec node program.mjs -c "$SCRIPT"`, {
      env: { SCRIPT: script },
      timeout: 120,
    }),
  )
  expect(result.stderr).toBe("")
  return JSON.parse(result.stdout)
}

const made = { controllers: ["cpu", "memory", "pids"], group: "0::/service/machines/PID" }

test("a process gets what its machine has, and is ended when it takes more memory", async () => {
  const within = (await confined("service", takes(48))) as { output: string }
  expect(within).toMatchObject({ ...made, code: 0, signal: null })
  const [mebibytes, children] = within.output.split("\n").map(Number)
  expect(mebibytes).toBe(48)
  expect(children).toBeGreaterThan(100)
  expect(children).toBeLessThan(130)
  const groups = succeeded(
    await sandbox.run("cd /sys/fs/cgroup/service && ls -d */ && ls machines -F | grep / | wc -l"),
  )
  expect(groups.stdout).toBe("machines/\nserver/\n0\n")
  // In the group that the one before moved to, as a service manager may put it there at once.
  const beyond = await confined("service/server", takes(200))
  expect(beyond).toEqual({ ...made, code: null, signal: "SIGKILL", output: "" })
})

test("a group that others are in is left as it is", async () => {
  const other = "mkdir -p /sys/fs/cgroup/shared; sleep 60 & echo $! > /sys/fs/cgroup/shared/cgroup.procs"
  succeeded(await sandbox.run(other))
  expect(await confined("shared", takes(1))).toMatchObject({ name: "NoCgroupsError" })
  expect(succeeded(await sandbox.run("find /sys/fs/cgroup/shared -mindepth 1 -type d")).stdout).toBe("")
})
