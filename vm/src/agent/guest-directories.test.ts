import { afterEach, beforeEach, expect, it } from "vitest"
import { connectedAgent, type ConnectedAgent } from "../testing/connected-agent.js"
import { patience, type FakeAgent } from "../testing/fake-agent.js"
import { type AgentConnection, AgentGoneError } from "./connection.js"
import { encodeCredit, encodeFrame, limits } from "./frame.js"
import type { GuestWatch, WatchEvent } from "./guest-watch.js"

let agent: FakeAgent
let connection: AgentConnection
let fake: ConnectedAgent

beforeEach(async () => {
  fake = await connectedAgent()
  ;({ agent, connection } = fake)
})

afterEach(() => fake.close())

function output(bytes: Uint8Array | string): void {
  const all = Buffer.from(bytes)
  for (let at = 0; at < all.length; at += limits.data)
    agent.send(encodeFrame("STDOUT", 1, all.subarray(at, at + limits.data)))
}

const event = (value: object) => {
  agent.send(encodeFrame("EVENT", 1, Buffer.from(JSON.stringify(value))))
}

it("packs a directory at the pace of the archive's reader", async () => {
  const packing = connection.directories.pack("dir", patience)
  expect(await agent.request()).toEqual({ op: "pack", path: "dir" })
  output(new Uint8Array(limits.outputWindow))
  const { archive, over } = await packing
  const reader = archive.getReader()
  let read = 0
  const take = async (bytes: number) => {
    for (const end = read + bytes; read < end;) read += (await reader.read()).value?.length ?? Infinity
  }
  await take(limits.outputWindow - limits.data)
  expect(agent.received.filter(({ type }) => type === "CREDIT").length).toBeGreaterThan(0)
  output("the end")
  agent.json("RESPONSE", 1, { ok: true })
  await take(limits.data + 7)
  expect(await reader.read()).toEqual({ done: true, value: undefined })
  await over
})

it("says how much an archive would hold", async () => {
  const measuring = connection.directories.measure("dir", patience)
  expect(await agent.request()).toEqual({ op: "measure", path: "dir" })
  agent.json("RESPONSE", 1, { ok: true, files: 3, bytes: 12 })
  expect(await measuring).toEqual({ files: 3, bytes: 12 })
})

it("fails where there is no such directory, before anything of an archive came", async () => {
  const refused = expect(connection.directories.pack("none", patience)).rejects.toMatchObject({
    code: "not_found",
  })
  await agent.request()
  agent.json("RESPONSE", 1, { ok: false, code: "not_found", message: "none" })
  await refused
})

it("breaks an archive off whose packing fails", async () => {
  const packing = connection.directories.pack("dir", patience)
  await agent.request()
  output("a part")
  const { archive } = await packing
  agent.json("RESPONSE", 1, { ok: false, code: "io", message: "the disk" })
  const reader = archive.getReader()
  await reader.read()
  await expect(reader.read()).rejects.toMatchObject({ code: "io" })
})

it("cancels an archive that nobody wants any more", async () => {
  const packing = connection.directories.pack("dir", patience)
  await agent.request()
  output("a part")
  const { archive } = await packing
  await archive.cancel()
  await agent.frame("CANCEL")
})

it("sends an archive to be unpacked, and says what was made of it", async () => {
  const unpacking = connection.directories.unpack("dir", true)
  expect(await agent.request()).toEqual({ op: "unpack", path: "dir", sync: true })
  const written = unpacking.write(new Uint8Array(limits.inputWindow + 1))
  await agent.frame("STDIN")
  agent.send(encodeFrame("CREDIT", 1, encodeCredit({ channel: "stdin", bytes: limits.inputWindow })))
  await written
  unpacking.end()
  await agent.frame("STDIN_EOF")
  agent.json("RESPONSE", 1, { ok: true, files: 3, bytes: 5, syncUs: 1, wrote: true })
  expect(await unpacking.done).toMatchObject({ files: 3, bytes: 5, wrote: true })
})

async function watching(): Promise<GuestWatch> {
  const opening = connection.directories.watch("dir", true, patience)
  expect(await agent.request()).toEqual({ op: "watch", path: "dir", recursive: true })
  event({ watching: true })
  return opening
}

const created = { type: "create", path: "/workspace/caf\uefe9" }
const renamed = { type: "rename", path: "/a", to: "/b" }

it("tells what happens once somebody listens, however it was cut", async () => {
  const watch = await watching()
  const text = [created, { type: "overflow" }, renamed].map((line) => `${JSON.stringify(line)}\n`).join("")
  output(text.slice(0, 50))
  output(text.slice(50))
  const events: WatchEvent[] = []
  watch.listen((some) => {
    events.push(...some)
    return Promise.resolve()
  })
  agent.json("RESPONSE", 1, { ok: true })
  await watch.done
  expect(events).toEqual([created, { type: "overflow" }, renamed])
})

it("asks for no more events than are taken, and lets go of a watch that is cancelled", async () => {
  const watch = await watching()
  output(`${JSON.stringify(created)}\n`.repeat(2000))
  watch.listen(() => new Promise(() => undefined))
  watch.cancel()
  await agent.frame("CANCEL")
  expect(agent.received.filter(({ type }) => type === "CREDIT")).toEqual([])
})

it.each([
  ["too many directories", "too_large"],
  ["no such directory", "not_found"],
])("fails where there are %s", async (_, code) => {
  const refused = expect(connection.directories.watch("dir", true, patience)).rejects.toMatchObject({ code })
  await agent.request()
  agent.json("RESPONSE", 1, { ok: false, code, message: "no" })
  await refused
})

it.each([
  ["no JSON", () => output("{\n")],
  ["a line without end", () => output("x".repeat(limits.outputWindow))],
  ["an event of an unknown type", () => output('{"type":"explode","path":"/a"}\n')],
  ["a path that is none", () => output('{"type":"create","path":"a"}\n')],
  ["a rename to nowhere", () => output('{"type":"rename","path":"/a"}\n')],
  ["an overflow with a path", () => output('{"type":"overflow","path":"/a"}\n')],
  ["an event that is none", () => event({ watching: "perhaps" })],
  ["output beyond the window", () => output("\n".repeat(limits.outputWindow + 1))],
])("hangs up on a guest that tells %s", async (_, misbehave) => {
  const watch = await watching()
  watch.listen(() => Promise.resolve())
  const gone = expect(watch.done).rejects.toThrow(AgentGoneError)
  misbehave()
  await gone
  await connection.closed
})
