import type { Process, Sandbox } from "opensandbox"
import { beforeAll, expect, test } from "vitest"
import { failed, succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"

let server: TestServer

beforeAll(async () => {
  server = await TestServer.start()
  return () => server.dispose()
}, serverStartMs)

async function textOf(pieces: AsyncIterable<string>): Promise<string> {
  let text = ""
  for await (const piece of pieces) text += piece
  return text
}

/** Starts processes until the guest gives one a number, which is made likely. It does not where a thread has it. */
async function startNumbered(sandbox: Sandbox, pid: number, command: string): Promise<Process | undefined> {
  for (let attempt = 0; attempt < 10; attempt += 1) {
    const lately = `echo ${pid - 4} > /proc/sys/kernel/ns_last_pid`
    expect(succeeded(await sandbox.run(lately, { snapshot: false })).exitCode).toBe(0)
    for (let last = 0; last < pid;) {
      const { process } = succeeded(await sandbox.start(command))
      if (process.pid === pid) return process
      last = process.pid
      succeeded(await process.kill("SIGKILL"))
      succeeded(await process.wait())
    }
  }
  return undefined
}

/** Starts a process that is given the number of one of those that were. */
async function startAfter(
  sandbox: Sandbox,
  gone: readonly Process[],
  command: string,
): Promise<{ old: Process; present: Process }> {
  for (const old of gone) {
    const present = await startNumbered(sandbox, old.pid, command)
    if (present !== undefined) return { old, present }
  }
  throw new Error("no process was given a number that one had before")
}

test("a handle from before a restore never reaches another process that was given its number", async () => {
  const sandbox = await server.create()
  const gone: Process[] = []
  for (let count = 0; count < 5; count += 1) {
    gone.push(succeeded(await sandbox.start("echo old; read line")).process)
  }
  succeeded(await sandbox.restore("initial"))
  const command = "echo new; while read line; do echo $line; done"
  const { old, present } = await startAfter(sandbox, gone, command)
  expect(present.id).not.toBe(old.id)

  const refused = [
    await old.kill("SIGKILL"),
    await old.resize(80, 24),
    await old.stdin.write("for the old one\n"),
    await old.stdin.end(),
    await old.wait(),
    await sandbox.attach(old.id),
  ]
  expect(refused.map((result) => failed(result).code)).toEqual(Array<string>(6).fill("not_found"))
  expect(await textOf(old.stdout)).toBe("")

  const byNumber = succeeded(await sandbox.attach(old.pid)).process
  expect(byNumber.id).toBe(present.id)
  const [listed] = succeeded(await sandbox.processes()).processes.filter(({ running }) => running)
  expect(listed).toMatchObject({ id: present.id, pid: old.pid })
  const byId = succeeded(await sandbox.attach(present.id)).process
  succeeded(await byId.stdin.end("for the new one\n"))
  expect(await textOf(byNumber.stdout)).toBe("new\nfor the new one\n")
  expect(await byId.wait()).toEqual({ success: true, exitCode: 0, signal: null })
  succeeded(await sandbox.destroy())
})

test("output goes on after the last event that a client has, as browsers name it", async () => {
  const sandbox = await server.create()
  const { process } = succeeded(await sandbox.start("echo one; echo two >&2; echo three"))
  succeeded(await process.wait())
  const read = async (headers: Record<string, string>) => {
    const path = `/vms/${sandbox.name}/processes/${process.id}/output?offset=0`
    const response = await fetch(server.url + path, { headers: { "x-api-key": server.apiKey, ...headers } })
    const events = [...(await response.text()).matchAll(/^id: (\d+)\nevent: (\w+)\ndata: (.*)$/gm)]
    return events.map(([, id = "", name, data = ""]) => {
      const { base64 } = JSON.parse(data) as { base64: string }
      return { id, name, text: Buffer.from(base64, "base64").toString() }
    })
  }
  const all = await read({})
  expect(all.map(({ text }) => text).join("")).toMatch(/^(one\n|two\n|three\n){3}$/)
  for (const [index, { id }] of all.entries()) {
    expect(await read({ "Last-Event-ID": id })).toEqual(all.slice(index + 1))
  }
  succeeded(await sandbox.destroy())
})
