import { once, setMaxListeners } from "node:events"
import { PassThrough, type Duplex } from "node:stream"
import { AgentError, DeadlineError, type Machine } from "@opensandbox/vm"
import { beforeEach, expect, it } from "vitest"
import { Failure } from "../failure.js"
import { Reach } from "./reach.js"

const interrupted = new Failure("interrupted", "The sandbox was restored.")
const forever = new AbortController().signal

let era: AbortController
/** What the agent does when it is asked. */
let ports: {
  dial: () => { socket: Duplex; connected: Promise<void> }
  listen: () => Promise<unknown>
  awaitPort: (port: number, ms: number, signal: AbortSignal) => Promise<void>
}
let reach: Reach
/** What keeps the sandbox awake. */
let awake: number

beforeEach(() => {
  era = new AbortController()
  setMaxListeners(0, era.signal)
  ports = {
    dial: () => ({ socket: quiet(), connected: Promise.resolve() }),
    listen: () => {
      const { promise: ended, resolve: close } = withResolvers()
      return Promise.resolve({ port: 1, ended, close })
    },
    awaitPort: (_port, _ms, signal) =>
      new Promise((_, reject) => {
        const giveUp = () => {
          reject(signal.reason as Error)
        }
        signal.addEventListener("abort", giveUp)
        if (signal.aborted) giveUp()
      }),
  }
  const machine = { agent: { ports } } as unknown as Machine
  awake = 0
  const keepAwake = () => {
    awake += 1
    return () => void (awake -= 1)
  }
  reach = new Reach("box", () => Promise.resolve([machine, era.signal]), keepAwake)
})

it("breaks connections and waits with the sandbox's era", async () => {
  const socket = await reach.connect({ port: 80 })
  const waiting = reach.waitForPort(80, 5, forever)
  const closed = new Promise((resolve) => socket.once("close", resolve))
  era.abort(interrupted)
  await closed
  expect(socket.errored).toBe(interrupted)
  await expect(waiting).rejects.toBe(interrupted)
  const late = await reach.connect({ port: 80 })
  expect(late.destroyed).toBe(true)
})

it("bounds the connections, and those that are over make room", async () => {
  const sockets = await Promise.all(Array.from({ length: 128 }, () => reach.connect({ port: 80 })))
  await expect(reach.connect({ port: 80 })).rejects.toMatchObject({ code: "limit_reached" })
  const closed = Promise.all(sockets.map((socket) => once(socket, "close")))
  for (const socket of sockets) socket.destroy()
  await closed
  ports.dial = () => broken(new AgentError("refused", ""))
  for (let failed = 0; failed < 200; failed++) {
    await expect(reach.connect({ port: 80 })).rejects.toMatchObject({ code: "unavailable" })
  }
})

it("keeps the sandbox awake as long as connections, waits and listeners last", async () => {
  const socket = await reach.connect({ port: 80 })
  const waiting = reach.waitForPort(80, 5, forever)
  const listener = await reach.listen({ port: 0 }, () => undefined)
  expect(awake).toBe(3)
  const closed = once(socket, "close")
  socket.destroy()
  listener.close()
  await Promise.all([closed, listener.ended])
  expect(awake).toBe(1)
  era.abort(interrupted)
  await expect(waiting).rejects.toBe(interrupted)
  ports.dial = () => broken(new AgentError("refused", ""))
  ports.listen = () => Promise.reject(new AgentError("refused", ""))
  await expect(reach.connect({ port: 80 })).rejects.toThrow()
  await expect(reach.listen({ port: 0 }, () => undefined)).rejects.toThrow()
  expect(awake).toBe(0)
})

it("gives up a wait that nobody waits for any more", async () => {
  const gone = new AbortController()
  const waiting = reach.waitForPort(80, 5, gone.signal)
  gone.abort(new Error("the client is gone"))
  await expect(waiting).rejects.toBeInstanceOf(Failure)
})

it.each<[Error, string, string]>([
  [new AgentError("refused", ""), "unavailable", "start a server there"],
  [new AgentError("unreachable", "no route"), "unavailable", "no route"],
  [new AgentError("bad_request", "unknown op"), "unavailable", "image is older than this server"],
  [new AgentError("too_many_streams", ""), "limit_reached", "try again"],
  [new DeadlineError("late"), "timeout", "in time"],
  [new Error("gone"), "unavailable", "ended meanwhile"],
  [interrupted, "interrupted", "restored"],
])("tells of %s in its own words", async (error, code, text) => {
  ports.dial = () => broken(error)
  const failure: unknown = await reach.connect({ port: 80 }).catch((thrown: unknown) => thrown)
  expect(failure).toMatchObject({ code, message: expect.stringContaining(text) as string })
})

it("says how long it waited", async () => {
  ports.awaitPort = () => Promise.reject(new AgentError("not_listening", ""))
  await expect(reach.waitForPort(80, 5, forever)).rejects.toMatchObject({
    code: "timeout",
    message: "Nothing listened on port 80 within 5 s.",
  })
})

const quiet = () => new PassThrough().on("error", () => undefined)

/** A connection that the guest cannot make. */
function broken(error: Error): { socket: Duplex; connected: Promise<void> } {
  const socket = quiet().destroy()
  const connected = once(socket, "close").then(() => {
    throw error
  })
  connected.catch(() => undefined)
  return { socket, connected }
}

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => undefined
  const promise = new Promise<void>((settle) => (resolve = settle))
  return { promise, resolve }
}
