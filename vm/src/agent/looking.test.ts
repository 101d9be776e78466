import fc from "fast-check"
import { afterEach, beforeEach, expect, it } from "vitest"
import { connectedAgent, type ConnectedAgent } from "../testing/connected-agent.js"
import { fileState as state, patience, type FakeAgent } from "../testing/fake-agent.js"
import { type AgentConnection, AgentGoneError } from "./connection.js"
import { encodeFrame, limits } from "./frame.js"

let agent: FakeAgent
let connection: AgentConnection
let fake: ConnectedAgent

async function connect(): Promise<void> {
  fake = await connectedAgent()
  ;({ agent, connection } = fake)
}

beforeEach(connect)

afterEach(() => fake.close())

const changed = { path: "/caf\uefe9\n", was: null, now: { ...state, type: "l", target: "to" } }

function output(bytes: Uint8Array | string, piece = limits.data): void {
  const all = Buffer.from(bytes)
  for (let at = 0; at < all.length; at += piece)
    agent.send(encodeFrame("STDOUT", 1, all.subarray(at, at + piece)))
}

it("lists changes, in whatever pieces they come", async () => {
  const listed = connection.changes(3, patience)
  expect(await agent.request()).toEqual({ op: "changes", limit: 3 })
  const gone = { path: "/gone", was: state, now: null }
  output([changed, gone, changed].map((change) => `${JSON.stringify(change)}\n`).join(""), 7)
  agent.json("RESPONSE", 1, { ok: true, truncated: true })
  expect(await listed).toEqual({ changes: [changed, gone, changed], truncated: true })
})

it("grants credit for what it has taken, so that a long list comes to its end", async () => {
  const listed = connection.changes(10_000, patience)
  await agent.request()
  const lines = `${JSON.stringify(changed)}\n`.repeat(2000)
  for (let sent = 0; sent < lines.length; sent += limits.outputWindow) {
    output(lines.slice(sent, sent + limits.outputWindow))
    if (sent + limits.outputWindow < lines.length) await agent.frame("CREDIT", sent / limits.outputWindow)
  }
  agent.json("RESPONSE", 1, { ok: true, truncated: false })
  expect((await listed).changes).toHaveLength(2000)
})

it("reads a file, byte by byte as it is", async () => {
  const content = Buffer.from(Array.from({ length: 70_000 }, (_, at) => at % 256))
  const read = connection.read("file", 100_000, patience)
  expect(await agent.request()).toEqual({ op: "read", path: "file", limit: 100_000 })
  output(content)
  agent.json("RESPONSE", 1, { ok: true, size: content.length })
  expect(Buffer.compare(await read, content)).toBe(0)
})

it("fails with the agent's code where there is no such file", async () => {
  const refused = expect(connection.read("none", 1, patience)).rejects.toMatchObject({ code: "not_found" })
  await agent.request()
  agent.json("RESPONSE", 1, { ok: false, code: "not_found", message: "none" })
  await refused
})

it("fails where a part of a file did not come", async () => {
  const refused = expect(connection.read("file", 9, patience)).rejects.toMatchObject({ code: "io" })
  await agent.request()
  output("part")
  agent.json("RESPONSE", 1, { ok: true, size: 9 })
  await refused
})

it("gives a digest for each path", async () => {
  const digests = ["0".repeat(64), null]
  const asked = connection.digest(["/a", "/b"], patience)
  expect(await agent.request()).toEqual({ op: "digest", paths: ["/a", "/b"] })
  agent.json("RESPONSE", 1, { ok: true, digests })
  expect(await asked).toEqual(digests)
})

it("takes no other number of digests", async () => {
  const refused = expect(connection.digest(["/a"], patience)).rejects.toMatchObject({ code: "io" })
  await agent.request()
  agent.json("RESPONSE", 1, { ok: true, digests: [null, null] })
  await refused
})

const change = (changes: object) => `${JSON.stringify({ ...changed, ...changes })}\n`
const hostile: [string, () => void][] = [
  ["more changes than were asked for", () => output(change({}).repeat(3))],
  ["a line without end", () => output("x".repeat(200_000))],
  ["what is no JSON", () => output("{\n")],
  ["a path that is none", () => output(change({ path: "etc" }))],
  ["a path that is too long", () => output(change({ path: `/${"x".repeat(limits.path)}` }))],
  ["a mode that is none", () => output(change({ now: { ...state, mode: 0o10000 } }))],
  ["a field that nobody knows", () => output(change({ now: { ...state, rdev: 5 } }))],
  ["output beyond the window", () => output("\n".repeat(limits.outputWindow + 1))],
  ["output on the other channel", () => agent.send(encodeFrame("STDERR", 1, Buffer.from("x")))],
  ["an answer to something else", () => agent.json("RESPONSE", 1, { ok: true, size: 1 })],
]

it.each(hostile)("hangs up on a guest that lists %s", async (_, misbehave) => {
  const listed = expect(connection.changes(2, patience)).rejects.toThrow(AgentGoneError)
  await agent.request()
  misbehave()
  await listed
  await connection.closed
})

it("hangs up on a guest that sends more of a file than was asked for", async () => {
  const read = expect(connection.read("file", 3, patience)).rejects.toThrow(AgentGoneError)
  await agent.request()
  output("four")
  await read
})

it("survives whatever a guest sends in the place of changes", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.string(), { maxLength: 20 }), async (noise) => {
      const id = agent.received.filter((frame) => frame.type === "REQUEST").length
      const listed = connection.changes(1000, patience).catch((error: unknown) => error)
      const { stream } = await agent.frame("REQUEST", id)
      agent.send(encodeFrame("STDOUT", stream, Buffer.from(`${noise.join("\n")}\n`)))
      const outcome = await listed
      expect(outcome).toBeInstanceOf(AgentGoneError)
      await fake.close()
      await connect()
    }),
    { numRuns: 20 },
  )
})
