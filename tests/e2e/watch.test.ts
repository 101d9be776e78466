import { spawn } from "node:child_process"
import type { Sandbox, WatchEvent, Watcher } from "opensandbox"
import { beforeAll, expect, test } from "vitest"
import { eventually } from "../support/eventually.js"
import { cli } from "../support/repository.js"
import { succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"

const soonMs = 60_000

/** How long thousands of changes may take in software emulation on a busy machine, in milliseconds. */
const longMs = 300_000

let server: TestServer
let sandbox: Sandbox

beforeAll(async () => {
  server = await TestServer.start()
  sandbox = await server.create()
  return () => server.dispose()
}, serverStartMs)

const inGuest = async (command: string) =>
  succeeded(await sandbox.run(command, { snapshot: false, timeout: 240 })).stdout

async function watched(path: string, recursive: boolean): Promise<Watcher> {
  return succeeded(await sandbox.files.watch(path, { recursive })).watcher
}

const line = (event: WatchEvent) =>
  event.type === "overflow"
    ? "overflow"
    : `${event.type} ${event.path}${event.type === "rename" ? ` ${event.to}` : ""}`

let markers = 0

/** The events up to those of a file that is made for it; one that follows another of its like is left out. */
async function told(watcher: Watcher, directory: string): Promise<string[]> {
  const marker = `${directory}/marker-${++markers}`
  await inGuest(`touch ${marker}; rm ${marker}`)
  const lines: string[] = []
  const events = watcher[Symbol.asyncIterator]()
  for (let next = await events.next(); next.done !== true; next = await events.next()) {
    const text = line(next.value)
    if (text === `delete ${marker}`) break
    if (text !== lines.at(-1) && !text.endsWith(marker)) lines.push(text)
  }
  return lines
}

test("each kind of event is told, whoever caused it", async () => {
  await inGuest("mkdir -p kinds/sub")
  const watcher = await watched("kinds", true)
  const at = "/workspace/kinds"
  // What is in a new directory is told once it was looked into: whatever is moved on before that is told where it went.
  const happens = async (commands: string) => {
    await inGuest(`cd kinds; ${commands}`)
    return told(watcher, at)
  }
  expect(
    await happens("echo x > a; chmod 600 a; mv a sub/b; rm sub/b; mkdir -p new/deep; : > new/deep/file"),
  ).toEqual([
    `create ${at}/a`,
    `change ${at}/a`,
    `rename ${at}/a ${at}/sub/b`,
    `delete ${at}/sub/b`,
    `create ${at}/new`,
    `create ${at}/new/deep`,
    `create ${at}/new/deep/file`,
  ])
  expect(
    await happens("mv new old; cd old/deep; rm file; cd ..; rmdir deep; mkdir deep; : > deep/again"),
  ).toEqual([
    `rename ${at}/new ${at}/old`,
    `delete ${at}/old/deep/file`,
    `delete ${at}/old/deep`,
    `create ${at}/old/deep`,
    `create ${at}/old/deep/again`,
  ])
  expect(await happens("mv old/deep /tmp/away; mv /tmp/away in")).toEqual([
    `delete ${at}/old/deep`,
    `create ${at}/in`,
    `create ${at}/in/again`,
  ])
  expect(watcher.failure).toBeUndefined()
})

test("files that the image brought are watched too, and only where it was asked for", async () => {
  const watcher = await watched("/etc", false)
  await inGuest(
    "echo x >> /etc/hosts; touch /etc/ssl/new; mv /etc/hosts /etc/hosts2; mv /etc/hosts2 /etc/hosts",
  )
  const lines = await told(watcher, "/etc")
  expect(lines).toContain("change /etc/hosts")
  expect(lines).toContain("rename /etc/hosts /etc/hosts2")
  expect(lines.filter((each) => each.includes("/etc/ssl/"))).toEqual([])
})

test("a file is watched by its name, whatever takes its place", async () => {
  await inGuest("mkdir one; cd one; echo x > file; echo y > beside")
  const watcher = await watched("one/file", false)
  await inGuest("cd one; echo z >> file; echo z >> beside; chmod 600 file")
  succeeded(await sandbox.files.write("one/file", "replaced", { snapshot: false }))
  await inGuest("cd one; mv file other; cp other file; mv beside file; rm file; rm -r ../one")
  const at = "/workspace/one"
  const lines: string[] = []
  for await (const event of watcher) if (line(event) !== lines.at(-1)) lines.push(line(event))
  expect(lines).toEqual([
    `change ${at}/file`,
    `rename ${at}/file ${at}/other`,
    `create ${at}/file`,
    `change ${at}/file`,
    `delete ${at}/file`,
  ])
  expect(watcher.failure).toBeUndefined()
})

test("who does not take the events is told that some were lost", { timeout: longMs }, async () => {
  await inGuest("mkdir many; touch many/a many/b")
  const watcher = await watched("many", false)
  const change = 'for i in range(6000):\n  os.chmod("many/a", i % 512)\n  os.chmod("many/b", i % 512)'
  await inGuest(`python3 -c 'import os\n${change}'; rm -r many`)
  const events: WatchEvent[] = []
  // The watch ends with its directory.
  for await (const event of watcher) events.push(event)
  expect(events.some(({ type }) => type === "overflow")).toBe(true)
  expect(events.length).toBeLessThan(11_000)
  expect(watcher.failure).toBeUndefined()
})

test("a restore ends a watch and says so, a close says nothing", async () => {
  const [restored, closed] = [await watched(".", true), await watched(".", true)]
  closed.close()
  succeeded(await sandbox.restore("initial"))
  for (const watcher of [restored, closed]) for await (const event of watcher) expect(event).toBeDefined()
  expect(restored.failure).toMatchObject({ code: "interrupted" })
  expect(closed.failure).toBeUndefined()
})

test("watches that come and go leave nothing behind in the guest", async () => {
  const counted = "ls -l /proc/1/fd | grep -c inotify || true"
  for (let round = 0; round < 20; round++) (await watched("/etc", true)).close()
  await eventually("the end of the watches", soonMs, async () =>
    (await inGuest(counted)) === "0\n" ? true : undefined,
  )
})

test("the command line prints events until it is interrupted", async () => {
  const env = { ...process.env, OPENSANDBOX_API_KEY: server.apiKey, OPENSANDBOX_BASE_URL: server.url }
  const child = spawn(process.execPath, [cli, "watch", sandbox.name, "-r"], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  })
  let printed = ""
  child.stdout.setEncoding("utf8").on("data", (text: string) => (printed += text))
  let number = 0
  await eventually("an event", soonMs, async () => {
    await inGuest(`touch seen-${number++}`)
    return printed.includes("create  /workspace/seen-") ? true : undefined
  })
  const ended = new Promise((resolve) => child.once("exit", resolve))
  child.kill("SIGINT")
  expect(await ended).toBe(0)
})
