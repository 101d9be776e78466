import { once } from "node:events"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { DeadlineError, poll } from "../deadline.js"
import { connectedAgent, type ConnectedAgent } from "../testing/connected-agent.js"
import { patience, type FakeAgent } from "../testing/fake-agent.js"
import { type AgentConnection, AgentGoneError } from "./connection.js"
import { encodeFrame, limits } from "./frame.js"
import type { GuestSocket } from "./guest-socket.js"

let agent: FakeAgent
let connection: AgentConnection
let fake: ConnectedAgent

beforeEach(async () => {
  fake = await connectedAgent()
  ;({ agent, connection } = fake)
})

afterEach(() => fake.close())

function event(stream: number, json: object): void {
  agent.send(encodeFrame("EVENT", stream, Buffer.from(JSON.stringify(json))))
}

function output(stream: number, bytes: Uint8Array | string): void {
  agent.send(encodeFrame("STDOUT", stream, Buffer.from(bytes)))
}

/** All that is received, without ending the other side as well. */
async function received(socket: GuestSocket): Promise<string> {
  let text = ""
  socket.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk
  })
  await once(socket, "end")
  return text
}

async function connected(): Promise<GuestSocket> {
  const connecting = connection.ports.connect({ port: 80 }, patience)
  await agent.frame("REQUEST")
  event(1, { connected: true })
  return connecting
}

describe("a connection", () => {
  it("carries bytes both ways and ends each way by itself", async () => {
    const socket = await connected()
    expect(await agent.request()).toEqual({ op: "connect", port: 80 })
    output(1, "hel")
    event(1, { outputEnded: 5 })
    output(1, "lo")
    expect(await received(socket)).toBe("hello")
    socket.end("bye")
    expect(Buffer.from((await agent.frame("STDIN")).payload).toString()).toBe("bye")
    await agent.frame("STDIN_EOF")
    const closed = once(socket, "close")
    agent.json("RESPONSE", 1, { ok: true })
    await closed
    expect(socket.errored).toBeNull()
  })

  it("fails with the agent's code when it cannot be made", async () => {
    const connecting = connection.ports.connect({ host: "::1", port: 80 }, patience)
    expect(await agent.request()).toEqual({ op: "connect", host: "::1", port: 80 })
    agent.json("RESPONSE", 1, { ok: false, code: "refused", message: "nothing there" })
    await expect(connecting).rejects.toMatchObject({ code: "refused" })
  })

  it("that is dialled is sent what is written before it is there", async () => {
    const { socket, connected } = connection.ports.dial({ port: 80 }, patience)
    socket.write("early")
    await agent.frame("REQUEST")
    expect(Buffer.from((await agent.frame("STDIN")).payload).toString()).toBe("early")
    event(1, { connected: true })
    await connected
    agent.json("RESPONSE", 1, { ok: false, code: "reset", message: "" })
    expect(await once(socket, "error")).toMatchObject([{ code: "reset" }])
  })

  it("that is dialled and not to be had ends its socket, and says why", async () => {
    const { socket, connected } = connection.ports.dial({ port: 80 }, patience)
    const closed = once(socket, "close").catch(() => undefined)
    await agent.frame("REQUEST")
    agent.json("RESPONSE", 1, { ok: false, code: "refused", message: "nothing there" })
    await expect(connected).rejects.toMatchObject({ code: "refused" })
    await closed
    expect(socket.destroyed).toBe(true)
  })

  it("is given up when the guest does not make it in time", async () => {
    await expect(connection.ports.connect({ port: 80 }, 5)).rejects.toThrow(DeadlineError)
    await agent.frame("CANCEL")
  })

  it("does not take more from the guest than its reader takes from it", async () => {
    const socket = await connected()
    const chunk = new Uint8Array(limits.data)
    for (let sent = 0; sent + chunk.length <= limits.outputWindow; sent += chunk.length) output(1, chunk)
    await poll(patience, "some of it", () => (socket.readableLength > 0 ? true : undefined))
    expect(socket.readableLength).toBeLessThan(4 * limits.data)
    expect(agent.received.some(({ type }) => type === "CREDIT")).toBe(false)
    socket.resume()
    await agent.frame("CREDIT")
  })

  it("closes the guest's when it is destroyed, and lets what comes still pass", async () => {
    const socket = await connected()
    socket.destroy()
    await agent.frame("CANCEL")
    output(1, new Uint8Array(limits.data))
    agent.json("RESPONSE", 1, { ok: false, code: "reset", message: "closed" })
    await connection.ports.connect({ port: 1 }, 5).catch(() => undefined)
    expect(connection.open).toBe(true)
  })

  it("breaks when the guest's broke, or ends short of what it announced", async () => {
    const socket = await connected()
    const error = once(socket, "error")
    output(1, "he")
    event(1, { outputEnded: 5 })
    agent.json("RESPONSE", 1, { ok: true })
    expect((await error)[0]).toMatchObject({ name: "ProtocolError" })
  })

  it("breaks with the machine, and nobody need listen for that", async () => {
    const socket = await connected()
    agent.socket?.destroy()
    await poll(patience, "its end", () => (socket.destroyed ? true : undefined))
    expect(socket.errored).toBeInstanceOf(AgentGoneError)
  })

  it.each([{}, { connected: false }, { outputEnded: -1 }, []])(
    "hangs up on a guest that tells %j",
    async (json) => {
      const socket = await connected()
      event(1, json)
      await poll(patience, "the end", () => (connection.open ? undefined : true))
      await poll(patience, "its end", () => (socket.destroyed ? true : undefined))
    },
  )
})

describe("a listener", () => {
  it("hands out connections and can be closed", async () => {
    const sockets: GuestSocket[] = []
    const listening = connection.ports.listen({ port: 0 }, (socket) => sockets.push(socket), patience)
    expect(await agent.request()).toEqual({ op: "listen", port: 0 })
    event(1, { listener: 1, port: 4321 })
    const listener = await listening
    expect(listener.port).toBe(4321)
    event(1, { connection: 3, host: "127.0.0.1", port: 5 })
    expect(await agent.request(1)).toEqual({ op: "accept", listener: 1, connection: 3 })
    event(2, { connected: true })
    const socket = await poll(patience, "a connection", () => sockets[0])
    output(2, "hi")
    event(2, { outputEnded: 2 })
    expect(await received(socket)).toBe("hi")
    listener.close()
    await agent.frame("CANCEL")
    agent.json("RESPONSE", 1, { ok: true })
    await listener.ended
  })

  it("hangs up on a guest that floods it with connections", async () => {
    const listening = connection.ports.listen({ port: 0 }, () => undefined, patience)
    await agent.frame("REQUEST")
    event(1, { listener: 1, port: 4321 })
    const listener = await listening
    for (let number = 1; number <= 65; number++) event(1, { connection: number, host: "::1", port: 5 })
    await listener.ended
    expect(connection.open).toBe(false)
  })
})

describe("awaiting a port", () => {
  it("fails with the agent's code", async () => {
    const waiting = connection.ports.awaitPort(80, 5)
    expect(await agent.request()).toEqual({ op: "awaitPort", port: 80, timeoutMs: 5 })
    agent.json("RESPONSE", 1, { ok: false, code: "not_listening", message: "nothing there" })
    await expect(waiting).rejects.toMatchObject({ code: "not_listening" })
  })

  it("can be given up", async () => {
    const gone = new AbortController()
    const waiting = connection.ports.awaitPort(80, patience, gone.signal)
    await agent.frame("REQUEST")
    gone.abort(new Error("no longer"))
    await agent.frame("CANCEL")
    agent.json("RESPONSE", 1, { ok: false, code: "not_listening", message: "nothing there" })
    await expect(waiting).rejects.toThrow("no longer")
  })
})
