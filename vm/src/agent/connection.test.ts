import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { createServer, type Server } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import fc from "fast-check"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { DeadlineError, poll } from "../deadline.js"
import { AgentConnection, AgentError, AgentGoneError, type Execution } from "./connection.js"
import { FakeAgent, patience } from "../testing/fake-agent.js"
import { encodeCredit, encodeFrame, limits, parseCredit } from "./frame.js"
import { creditStep } from "./output-channel.js"

let directory: string
let socketPath: string
let server: Server
let agent: FakeAgent
let connections: AgentConnection[]

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "agent-"))
  socketPath = join(directory, "socket")
  agent = new FakeAgent()
  connections = []
  server = createServer((socket) => {
    agent.attach(socket)
  })
  server.listen(socketPath)
  await once(server, "listening")
})

afterEach(async () => {
  for (const connection of connections) connection.close()
  agent.socket?.destroy()
  server.close()
  await rm(directory, { recursive: true, force: true })
})

async function connect(deadlineMs = patience): Promise<AgentConnection> {
  const connection = await AgentConnection.connect(socketPath, { deadlineMs })
  connections.push(connection)
  return connection
}

const nobody = { onStdout: () => undefined, onStderr: () => undefined }
const done = { ok: true, exitCode: 0, signal: null, guestUs: 5, syncUs: 6 }

async function started(): Promise<{ connection: AgentConnection; execution: Execution; printed: string[] }> {
  const connection = await connect()
  const printed: string[] = []
  const keep = (chunk: Uint8Array): void => void printed.push(Buffer.from(chunk).toString())
  const execution = connection.exec({ command: "true" }, { onStdout: keep, onStderr: keep })
  await agent.frame("REQUEST")
  return { connection, execution, printed }
}

describe("connecting", () => {
  it("tells what the agent says of itself", async () => {
    expect((await connect()).welcome).toEqual({ agentVersion: "9", ready: true })
  })

  it("throws away whatever comes before the welcome to its own hello", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 3000 }), async (noise) => {
        agent = new FakeAgent()
        const stranger = {
          nonce: "0".repeat(32),
          protocol: 1,
          agentVersion: "1",
          ready: false,
        }
        agent.leftovers = Buffer.concat([
          encodeFrame("STDOUT", 3, Buffer.alloc(100)),
          noise,
          encodeFrame("WELCOME", 0, Buffer.from(JSON.stringify(stranger))),
          // The start of a frame that was never finished, and that could be a welcome.
          Buffer.from("4f5301010000000000000010", "hex"),
          Buffer.from("4f53010200000000", "hex"),
        ])
        const connection = await connect()
        expect(connection.welcome.agentVersion).toBe("9")
        connection.close()
      }),
      { numRuns: 30 },
    )
  })

  it("greets again an agent that did not answer, and takes each answer", async () => {
    agent.deafTo = 1
    const connection = await connect()
    const pong = connection.ping(patience)
    const { stream } = await agent.frame("REQUEST")
    agent.json("RESPONSE", stream, { ok: true, uptimeMs: 1 })
    await pong
  })

  it("fails when no answer comes in time", async () => {
    agent.deafTo = 99
    await expect(connect(50)).rejects.toThrow(DeadlineError)
  })

  it("waits for a socket that is not there yet", async () => {
    server.close()
    const connecting = connect()
    server = createServer((socket) => {
      agent.attach(socket)
    })
    server.listen(socketPath)
    await connecting
  })

  it("fails when the connection closes first", async () => {
    agent.deafTo = 99
    const connecting = connect()
    const refused = expect(connecting).rejects.toThrow(AgentGoneError)
    ;(await poll(patience, "a connection", () => agent.socket)).destroy()
    await refused
  })

  it("fails when the agent speaks another version of the protocol", async () => {
    agent.protocol = 2
    await expect(connect()).rejects.toMatchObject({ name: "AgentError", code: "protocol_mismatch" })
  })
})

describe("a request", () => {
  it("is sent as the schema says and gives what the agent measured", async () => {
    const connection = await connect()
    const setup = {
      device: "/dev/vdb",
      hostname: "box",
      machineId: "0".repeat(32),
      unixTimeMs: 1,
      entropy: "A".repeat(44),
    }
    const mounted = connection.setup(setup, patience)
    const request = await agent.frame("REQUEST")
    expect(JSON.parse(Buffer.from(request.payload).toString())).toEqual({ op: "setup", ...setup })
    agent.json("RESPONSE", request.stream, { ok: true, mountUs: 7 })
    expect(await mounted).toEqual({ mountMicroseconds: 7 })
  })

  it("that the agent refuses is an AgentError with its code", async () => {
    const connection = await connect()
    const refused = expect(connection.wipe(patience)).rejects.toMatchObject({
      name: "AgentError",
      code: "wipe_incomplete",
      message: "one is left",
    })
    const { stream } = await agent.frame("REQUEST")
    agent.json("RESPONSE", stream, { ok: false, code: "wipe_incomplete", message: "one is left" })
    await refused
  })

  it("that is not answered in time fails, and its late answer does no harm", async () => {
    const connection = await connect()
    await expect(connection.sync(20)).rejects.toThrow(DeadlineError)
    const { stream } = await agent.frame("REQUEST")
    agent.json("RESPONSE", stream, { ok: true, syncUs: 1 })
    const pong = connection.ping(patience)
    agent.json("RESPONSE", (await agent.frame("REQUEST", 1)).stream, { ok: true, uptimeMs: 1 })
    await pong
  })

  it("that is too long, or one too many, is refused here", async () => {
    const connection = await connect()
    const long = connection.exec({ command: "x".repeat(limits.request) }, nobody)
    await expect(long.result).rejects.toMatchObject({ code: "bad_request" })
    for (let i = 0; i < limits.streams; i++) connection.exec({ command: "sleep 1" }, nobody)
    await expect(connection.exec({ command: "true" }, nobody).result).rejects.toThrow(AgentError)
  })
})

describe("a command", () => {
  it("gives its output in order, and its result when that is handled", async () => {
    const { execution, printed } = await started()
    agent.send(encodeFrame("STDOUT", 1, Buffer.from("one")))
    agent.send(encodeFrame("STDERR", 1, Buffer.from("two")))
    agent.json("RESPONSE", 1, done)
    expect(await execution.result).toEqual({
      exitCode: 0,
      signal: null,
      guestMicroseconds: 5,
      syncMicroseconds: 6,
      wrote: false,
    })
    expect(printed).toEqual(["one", "two"])
  })

  it("has a slow reader for whom at most a window of output waits", async () => {
    const connection = await connect()
    let release = (): void => undefined
    const held = new Promise<void>((resolve) => (release = resolve))
    let total = 0
    const execution = connection.exec(
      { command: "true" },
      {
        onStdout: async (chunk) => {
          await held
          total += chunk.length
        },
        onStderr: () => undefined,
      },
    )
    await agent.frame("REQUEST")
    // Tiny frames and long ones.
    for (let i = 0; i < 1000; i++) agent.send(encodeFrame("STDOUT", 1, Buffer.alloc(1)))
    for (let left = limits.outputWindow - 1000; left > 0; left -= limits.data) {
      agent.send(encodeFrame("STDOUT", 1, Buffer.alloc(Math.min(left, limits.data))))
    }
    agent.json("RESPONSE", 1, done)
    const pong = connection.ping(patience)
    agent.json("RESPONSE", (await agent.frame("REQUEST", 1)).stream, { ok: true, uptimeMs: 1 })
    await pong
    expect(agent.received.filter((frame) => frame.type === "CREDIT")).toEqual([])
    release()
    await execution.result
    expect(total).toBe(limits.outputWindow)
    expect(parseCredit((await agent.frame("CREDIT")).payload).channel).toBe("stdout")
  })

  it("tells that it runs, where the guest does", async () => {
    const { execution } = await started()
    agent.send(encodeFrame("EVENT", 1, Buffer.from('{"pid":7}')))
    await execution.begun
    agent.json("RESPONSE", 1, done)
    expect((await execution.result).exitCode).toBe(0)
  })

  it("is cut off with a guest that tells of something else", async () => {
    const { execution } = await started()
    agent.send(encodeFrame("EVENT", 1, Buffer.from('{"pid":0}')))
    await expect(execution.result).rejects.toThrow(AgentGoneError)
  })

  it("goes on when its output's handler fails", async () => {
    const connection = await connect()
    const fail = (): never => {
      throw new Error("nobody listens")
    }
    const execution = connection.exec(
      { command: "true" },
      { onStdout: fail, onStderr: () => Promise.reject(new Error()) },
    )
    await agent.frame("REQUEST")
    for (let sent = 0; sent < creditStep; sent += limits.data)
      agent.send(encodeFrame("STDOUT", 1, Buffer.alloc(limits.data)))
    agent.send(encodeFrame("STDERR", 1, Buffer.alloc(1)))
    await agent.frame("CREDIT")
    agent.json("RESPONSE", 1, done)
    expect((await execution.result).exitCode).toBe(0)
  })

  it("gets its input as far as the credit goes, then the end", async () => {
    const { execution } = await started()
    const input = Buffer.alloc(limits.inputWindow + 1000, "x")
    const written = execution.write(input)
    execution.end()
    const arrived = (): number =>
      agent.received
        .filter((frame) => frame.type === "STDIN")
        .reduce((sum, frame) => sum + frame.payload.length, 0)
    await poll(patience, "a window of input", () => arrived() === limits.inputWindow || undefined)
    agent.send(encodeFrame("CREDIT", 1, encodeCredit({ channel: "stdin", bytes: 65536 })))
    await written
    await agent.frame("STDIN_EOF")
    expect(arrived()).toBe(input.length)
  })

  it("that is over takes no more input, and no one waits for it", async () => {
    const { execution } = await started()
    const written = execution.write(Buffer.alloc(limits.inputWindow + 1))
    agent.json("RESPONSE", 1, done)
    await written
    await execution.write(Buffer.alloc(1))
    execution.end()
    execution.cancel()
    execution.resize(1, 1)
    await execution.result
  })

  it("can be cancelled and resized", async () => {
    const { execution } = await started()
    execution.resize(80, 24)
    execution.cancel()
    expect((await agent.frame("RESIZE")).stream).toBe(1)
    expect((await agent.frame("CANCEL")).stream).toBe(1)
  })

  it("fails when the connection is closed here or there", async () => {
    const { connection, execution } = await started()
    connection.close()
    await expect(execution.result).rejects.toThrow(AgentGoneError)
    await connection.closed
    await expect(connection.ping(patience)).rejects.toThrow(AgentGoneError)
    const later = connection.exec({ command: "true" }, nobody)
    await expect(later.result).rejects.toThrow(AgentGoneError)
  })
})

describe("a hostile guest is hung up on", () => {
  const hostile: [string, () => Uint8Array[]][] = [
    [
      "output beyond the window",
      () =>
        Array.from({ length: Math.ceil(limits.outputWindow / limits.data) + 1 }, () =>
          encodeFrame("STDOUT", 1, Buffer.alloc(limits.data)),
        ),
    ],
    ["output on a stream that is not open", () => [encodeFrame("STDOUT", 2, Buffer.alloc(1))]],
    ["a response to nothing", () => [encodeFrame("RESPONSE", 2, Buffer.from("{}"))]],
    ["a second response", () => [json(done), json(done)]],
    ["output after the response", () => [json(done), encodeFrame("STDOUT", 1, Buffer.alloc(1))]],
    ["a response that is no JSON", () => [encodeFrame("RESPONSE", 1, Buffer.from("{{"))]],
    ["a response to another request", () => [json({ ok: true, mountUs: 1 })]],
    ["an exit code that is none", () => [json({ ...done, exitCode: 1e9 })]],
    ["an error without a code", () => [json({ ok: false, message: "" })]],
    [
      "credit that was never used",
      () => [encodeFrame("CREDIT", 1, encodeCredit({ channel: "stdin", bytes: 1 }))],
    ],
    ["credit for output", () => [encodeFrame("CREDIT", 1, encodeCredit({ channel: "stdout", bytes: 1 }))]],
    ["a welcome that nobody asked for", () => [encodeFrame("WELCOME", 0, Buffer.from("{}"))]],
    ["a frame that only a host sends", () => [encodeFrame("STDIN", 1, Buffer.alloc(1))]],
    ["a length that is a lie", () => [Buffer.from("4f53010700000001ffffffff", "hex")]],
    ["noise", () => [Buffer.alloc(100, "noise")]],
  ]

  function json(message: object): Uint8Array {
    return encodeFrame("RESPONSE", 1, Buffer.from(JSON.stringify(message)))
  }

  it.each(hostile)("for %s", async (_, frames) => {
    const connection = await connect()
    const never = new Promise<void>(() => undefined)
    const { result } = connection.exec({ command: "true" }, { onStdout: () => never, onStderr: () => never })
    const outcome = result.catch((error: unknown) => error)
    await agent.frame("REQUEST")
    agent.send(Buffer.concat(frames()))
    await connection.closed
    await expect(connection.ping(patience)).rejects.toThrow(/the guest broke the protocol/)
    // A result that came before the breach stands; none is left open.
    await outcome
  })

  it("for anything that arbitrary bytes can do, and nothing throws", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 200 }), async (noise) => {
        agent = new FakeAgent()
        const connection = await connect()
        const { result } = connection.exec({ command: "true" }, nobody)
        await agent.frame("REQUEST")
        agent.socket?.end(noise)
        await expect(result).rejects.toThrow(AgentGoneError)
      }),
      { numRuns: 30 },
    )
  })
})
