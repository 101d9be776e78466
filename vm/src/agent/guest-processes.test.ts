import fc from "fast-check"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { connectedAgent, type ConnectedAgent } from "../testing/connected-agent.js"
import type { FakeAgent } from "../testing/fake-agent.js"
import { type AgentConnection, AgentGoneError } from "./connection.js"
import { ProtocolError } from "./errors.js"
import { encodeFrame } from "./frame.js"
import { GuestProcesses } from "./guest-processes.js"
import { OutputRecords, type OutputPiece } from "./output-records.js"

const kinds = { skipped: 0, stdout: 1, stderr: 2 }

function record(kind: number, next: bigint | number, bytes: Uint8Array): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt8(kind, 0)
  header.writeBigUInt64BE(BigInt(next), 1)
  header.writeUInt32BE(bytes.length, 9)
  return Buffer.concat([header, bytes])
}

function skipped(count: bigint | number, next: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(count))
  return record(kinds.skipped, next, bytes)
}

/** A copy of a piece, since its bytes are good only for a moment. */
const kept = (piece: OutputPiece) =>
  piece.kind === "skipped" ? piece : { ...piece, bytes: Buffer.from(piece.bytes).toString("latin1") }

describe("records of output", () => {
  it("are read as they were written, in whatever pieces they come", () => {
    const output = fc.record({
      kind: fc.constantFrom("stdout" as const, "stderr" as const),
      text: fc.string({ unit: "binary-ascii", minLength: 1 }),
    })
    fc.assert(
      fc.property(fc.array(output), fc.integer({ min: 1, max: 40 }), (outputs, size) => {
        const records = new OutputRecords()
        let next = 0
        const written = outputs.map(({ kind, text }) => {
          next += text.length
          return record(kinds[kind], next, Buffer.from(text))
        })
        const bytes = Buffer.concat(written)
        const read = []
        for (let at = 0; at < bytes.length; at += size) {
          for (const piece of records.push(bytes.subarray(at, at + size))) read.push(kept(piece))
        }
        expect(read).toEqual(
          outputs.map(({ kind, text }, n) => ({
            kind,
            bytes: text,
            next: outputs.slice(0, n + 1).reduce((sum, each) => sum + each.text.length, 0),
          })),
        )
      }),
    )
  })

  it.each([
    ["a kind that there is not", record(3, 1, Buffer.from("x"))],
    ["no bytes", record(1, 1, Buffer.alloc(0))],
    ["more bytes than fit in a frame", record(1, 1, Buffer.alloc(40_000))],
    ["an offset that is no number here", record(1, 2n ** 60n, Buffer.from("x"))],
    ["something else than a count of what was skipped", record(0, 1, Buffer.from("x"))],
    ["a count that is no number here", skipped(2n ** 60n, 1)],
  ])("are refused with %s", (_, bytes) => {
    expect(() => [...new OutputRecords().push(bytes)]).toThrow(ProtocolError)
  })
})

describe("processes of a guest", () => {
  let agent: FakeAgent
  let connection: AgentConnection
  let fake: ConnectedAgent
  let processes: GuestProcesses

  beforeEach(async () => {
    fake = await connectedAgent()
    ;({ agent, connection } = fake)
    processes = new GuestProcesses(connection)
  })

  afterEach(() => fake.close())

  const stdout = (bytes: Uint8Array) => {
    agent.send(encodeFrame("STDOUT", 1, bytes))
  }
  const event = (message: object) => {
    agent.send(encodeFrame("EVENT", 1, Buffer.from(JSON.stringify(message))))
  }
  const ended = { ok: true, running: false, exitCode: 3, signal: null }
  const everything = { stdout: true, stderr: true, follow: true }

  it("are started, written to and listed", async () => {
    const started = processes.start({ command: "make", env: { A: "1" } })
    expect(await agent.request()).toEqual({ op: "start", command: "make", env: { A: "1" } })
    agent.json("RESPONSE", 1, { ok: true, pid: 7, startedMs: 5 })
    expect(await started).toEqual({ pid: 7, startedMs: 5 })

    const written = processes.write({ pid: 7, startedMs: 5 }, Buffer.from("input"), true)
    const input = await agent.frame("REQUEST", 1)
    expect(JSON.parse(Buffer.from(input.payload).toString())).toMatchObject({ pid: 7, startedMs: 5 })
    agent.json("RESPONSE", 2, { ok: true, written: 99 })
    expect(await written).toBe(5)

    const state = { pid: 7, command: "make", running: true, exitCode: null, signal: null, startedMs: 5 }
    const listed = processes.list()
    await agent.frame("REQUEST", 2)
    agent.send(encodeFrame("STDOUT", 3, Buffer.from(JSON.stringify([state]))))
    agent.json("RESPONSE", 3, { ok: true })
    expect(await listed).toEqual([state])
  })

  it("give their output in order, and then their end", async () => {
    const pieces: unknown[] = []
    const output = processes.output(
      { pid: 7 },
      { ...everything, offset: 2 },
      (piece) => void pieces.push(kept(piece)),
    )
    expect(await agent.request()).toEqual({ op: "output", pid: 7, offset: 2, ...everything })
    event({ offset: 2 })
    stdout(
      Buffer.concat([record(1, 5, Buffer.from("out")), skipped(10, 15), record(2, 18, Buffer.from("err"))]),
    )
    agent.json("RESPONSE", 1, ended)

    expect(await output.begun).toBe(2)
    expect(await output.ended).toEqual({ exitCode: 3, signal: null })
    expect(pieces).toEqual([
      { kind: "stdout", bytes: "out", next: 5 },
      { kind: "skipped", count: 10, next: 15 },
      { kind: "stderr", bytes: "err", next: 18 },
    ])
  })

  it("are told apart from those that there are not", async () => {
    const output = processes.output({ pid: 8 }, everything, () => undefined)
    await agent.request()
    agent.json("RESPONSE", 1, { ok: false, code: "no_process", message: "none" })
    await expect(output.begun).rejects.toMatchObject({ code: "no_process" })
  })

  it("are let go of when their output is not what it should be, or nobody takes it", async () => {
    const output = processes.output({ pid: 7 }, everything, () => Promise.reject(new Error("nobody")))
    await agent.request()
    event({ offset: 0 })
    stdout(record(1, 1, Buffer.from("x")))
    await agent.frame("CANCEL")
    agent.json("RESPONSE", 1, { ok: true, running: true, exitCode: null, signal: null })
    await expect(output.ended).rejects.toThrow("nobody")
  })

  it("are not believed to begin when they end", async () => {
    const output = processes.output({ pid: 7 }, everything, () => undefined)
    await agent.request()
    agent.json("RESPONSE", 1, ended)
    await expect(output.begun).rejects.toMatchObject({ code: "io" })
  })

  it.each([
    [
      "an event that there is not",
      () => {
        event({ offset: -1 })
      },
    ],
    [
      "a result that is none",
      () => {
        agent.json("RESPONSE", 1, { ...ended, exitCode: 256 })
      },
    ],
    [
      "output on the other channel",
      () => {
        agent.send(encodeFrame("STDERR", 1, Buffer.from("x")))
      },
    ],
  ])("are cut off with a guest that sends %s", async (_, misbehave) => {
    const output = processes.output({ pid: 7 }, everything, () => undefined)
    await agent.request()
    misbehave()
    await expect(output.begun).rejects.toThrow(AgentGoneError)
    await connection.closed
  })

  it("are cut off with a guest whose list never ends", async () => {
    const listed = expect(processes.list()).rejects.toThrow(AgentGoneError)
    await agent.request()
    for (let sent = 0; sent < 40; sent++) stdout(Buffer.alloc(32_000, "x"))
    await listed
  })
})
