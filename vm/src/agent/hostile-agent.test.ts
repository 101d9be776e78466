import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { createServer, type Server, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import fc from "fast-check"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { z } from "zod"
import { DeadlineError, poll, within } from "../deadline.js"
import { FakeAgent, patience } from "../testing/fake-agent.js"
import { hostileMoves } from "../testing/hostile-moves.js"
import { AgentConnection, AgentGoneError } from "./connection.js"
import { encodeCredit, encodeFrame, limits, type FrameType } from "./frame.js"

/** How much a guest sends that nothing stops, in bytes. */
const floodBytes = 64 * 1024 * 1024

/** How much of that the host may hold on to: some windows, and what it needs to handle them. */
const heldBytes = 16 * 1024 * 1024

setFlagsFromString("--expose-gc")
const collectGarbage = runInNewContext("gc") as () => void

let directory: string
let servers: Server[]
/** The guest whose turn it is. */
let agent: FakeAgent
/** Another machine's connection, which must never notice anything. */
let neighbour: AgentConnection

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "hostile-agent-"))
  servers = []
  await listen("guest", (socket) => {
    agent.attach(socket)
  })
  const neighbourAgent = new FakeAgent()
  await listen("neighbour", (socket) => {
    neighbourAgent.attach(socket)
  })
  neighbour = await AgentConnection.connect(join(directory, "neighbour"), { deadlineMs: patience })
  let answered = 0
  const answer = setInterval(() => {
    const requests = neighbourAgent.received.filter(({ type }) => type === "REQUEST").slice(answered)
    answered += requests.length
    for (const { stream } of requests) neighbourAgent.json("RESPONSE", stream, { ok: true, uptimeMs: 1 })
  }, 1)
  return async () => {
    clearInterval(answer)
    neighbour.close()
    await neighbour.closed
  }
})

afterAll(async () => {
  for (const server of servers) server.close()
  await rm(directory, { recursive: true, force: true })
})

async function listen(name: string, attach: (socket: Socket) => void): Promise<void> {
  const server = createServer(attach)
  servers.push(server)
  server.listen(join(directory, name))
  await once(server, "listening")
}

async function connect(): Promise<AgentConnection> {
  agent = new FakeAgent()
  return AgentConnection.connect(join(directory, "guest"), { deadlineMs: patience })
}

const anything = z.looseObject({ ok: z.literal(true) })

/** One request of every kind that there is, and the end of all. The output of the first is read at the connection's end. */
function requests(connection: AgentConnection): Promise<unknown> {
  const late = () => connection.closed
  const slow = connection.exec({ command: "slow" }, { onStdout: late, onStderr: late })
  const terminal = connection.exec(
    { pty: { cols: 80, rows: 24, term: "xterm" } },
    { onStdout: () => undefined, onStderr: () => undefined },
  )
  void terminal.write(new Uint8Array(limits.inputWindow * 2))
  terminal.resize(1, 1)
  const events = connection.stream({ op: "sync" }, anything, { onEvent: (event) => z.json().parse(event) })
  const input = connection.stream({ op: "sync" }, anything, { onStdout: () => undefined })
  void input.write(new Uint8Array(limits.inputWindow * 2))
  input.end()
  return Promise.allSettled([
    slow.result,
    terminal.result,
    events.done,
    input.done,
    connection.ping(patience),
    connection.changes(3, patience),
    connection.read("file", 100, patience),
    connection.digest(["file"], patience),
  ])
}

/** Waits for the end of requests, which has to come. */
const ended = <T>(requests: Promise<T>) => within(patience, "the end of every request", requests)

/** Sends a frame again and again until the guest is cut off, or that is enough. @returns the bytes that were sent. */
async function flood(connection: AgentConnection, frame: Uint8Array, enough = floodBytes): Promise<number> {
  const frames = Buffer.concat(Array.from({ length: Math.ceil(65536 / frame.length) }, () => frame))
  let sent = 0
  for (; connection.open && sent < enough; sent += frames.length) {
    await new Promise((resolve) => agent.socket?.write(frames, resolve))
  }
  return sent
}

function memoryInUse(): number {
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

describe("a guest that sends whatever it likes", () => {
  it("makes nothing throw, leaves no request open, and disturbs nobody else", async () => {
    await fc.assert(
      fc.asyncProperty(hostileMoves, async (moves) => {
        const connection = await connect()
        const open = requests(connection)
        for (const { bytes } of moves) agent.send(bytes)
        await neighbour.ping(patience)
        connection.close()
        await within(patience, "the end of the connection", connection.closed)
        await ended(open)
      }),
      { numRuns: 200 },
    )
  })

  it("is cut off as soon as it breaks the protocol, whatever it sent before", async () => {
    await fc.assert(
      fc.asyncProperty(hostileMoves, async (moves) => {
        const connection = await connect()
        const open = requests(connection)
        for (const { bytes } of moves) agent.send(bytes)
        // Longer than any frame that may be due still.
        agent.send(new Uint8Array(limits.header + limits.request + 1).fill(0xff))
        await within(patience, "the end of the connection", connection.closed)
        await expect(connection.ping(patience)).rejects.toThrow(/the guest broke the protocol/)
        await ended(open)
        await neighbour.ping(patience)
      }),
      { numRuns: 100 },
    )
  })
})

describe("a guest that never answers", () => {
  it("keeps nobody waiting beyond the deadline, and then gets no more requests", async () => {
    const connection = await connect()
    const pings = Array.from({ length: limits.streams + 10 }, () => connection.ping(5))
    const ends = await ended(Promise.allSettled(pings))
    const reasons = ends.map((end) => (end.status === "rejected" ? (end.reason as Error) : undefined))
    expect(reasons.filter((reason) => reason instanceof DeadlineError)).toHaveLength(limits.streams)
    expect(reasons.at(-1)).toMatchObject({ code: "too_many_streams" })
    connection.close()
  })

  it("and does not read either is cut off before much waits for it", async () => {
    const connection = await connect()
    agent.socket?.pause()
    const command = "x".repeat(limits.request - 1000)
    const handlers = { onStdout: () => undefined, onStderr: () => undefined }
    const before = memoryInUse()
    const results = Array.from({ length: 40 }, () => connection.exec({ command }, handlers).result)
    expect(connection.open).toBe(false)
    await ended(Promise.allSettled(results))
    await poll(patience, "room again", () => memoryInUse() - before < heldBytes || undefined)
  })
})

describe("a guest that sends without end", () => {
  const text = (message: object) => Buffer.from(JSON.stringify(message))
  const floods: [string, FrameType, number, Uint8Array][] = [
    ["long output that nobody reads", "STDOUT", 1, new Uint8Array(limits.data)],
    ["output by the byte", "STDERR", 1, new Uint8Array(1)],
    ["welcomes", "WELCOME", 0, text({ nonce: "0".repeat(32), protocol: 1, agentVersion: "1", ready: true })],
    ["responses", "RESPONSE", 1, text({ ok: true })],
    ["events where none are expected", "EVENT", 1, text({ created: "file" })],
    ["events that are none", "EVENT", 3, Buffer.from("{{")],
    ["credit", "CREDIT", 2, encodeCredit({ channel: "stdin", bytes: 1000 })],
  ]

  it.each(floods)("%s is cut off", async (_, type, stream, payload) => {
    const connection = await connect()
    const open = requests(connection)
    const sent = await flood(connection, encodeFrame(type, stream, payload))
    expect(sent).toBeLessThan(floodBytes)
    expect(connection.open).toBe(false)
    connection.close()
    await ended(open)
    await neighbour.ping(patience)
  })

  it.each([
    ["long", limits.event, floodBytes],
    ["short", 2, floodBytes / 32],
  ])("%s events may do so: nothing of them is kept, and others get through", async (_, length, enough) => {
    const connection = await connect()
    let heard = 0
    const onEvent = () => {
      heard++
    }
    const stream = connection.stream({ op: "sync" }, anything, { onEvent })
    const frame = encodeFrame("EVENT", 1, Buffer.from(JSON.stringify("x".repeat(length - 2))))
    const before = memoryInUse()
    const sent = await flood(connection, frame, enough)
    const pong = neighbour.ping(patience)
    await poll(patience, "all events", () => heard === sent / frame.length || undefined)
    await pong
    expect(memoryInUse() - before).toBeLessThan(heldBytes)
    connection.close()
    await expect(ended(stream.done)).rejects.toThrow(AgentGoneError)
  })
})
