import { randomBytes } from "node:crypto"
import type { Socket } from "node:net"
import type { z } from "zod"
import { AgentError, AgentGoneError } from "./errors.js"
import { encodeFrame, frameTypes, limits, magic, protocolVersion } from "./frame.js"
import { welcome } from "./messages.js"

type Welcome = z.infer<typeof welcome>

/** Finds a session's welcome in bytes that may begin with anything that an earlier session left behind. */
export class WelcomeFinder {
  readonly #nonce: string
  #buffer = Buffer.alloc(0)

  constructor(nonce: string) {
    this.#nonce = nonce
  }

  /** @returns the welcome and the bytes that follow it, once they are there. */
  push(bytes: Uint8Array): { welcome: Welcome; rest: Buffer } | undefined {
    this.#buffer = Buffer.concat([this.#buffer, bytes])
    for (;;) {
      const at = this.#buffer.indexOf(welcomeStart)
      if (at < 0) {
        // The end may be the first part of a welcome.
        this.#buffer = Buffer.from(this.#buffer.subarray(-(welcomeStart.length - 1)))
        return undefined
      }
      this.#buffer = this.#buffer.subarray(at)
      if (this.#buffer.length < limits.header) return undefined
      const end = limits.header + this.#buffer.readUInt32BE(8)
      if (end <= limits.header + limits.greeting) {
        if (this.#buffer.length < end) return undefined
        const found = parseWelcome(this.#buffer.subarray(limits.header, end))
        if (found?.nonce === this.#nonce)
          return { welcome: found, rest: Buffer.from(this.#buffer.subarray(end)) }
      }
      this.#buffer = this.#buffer.subarray(1)
    }
  }
}

const welcomeStart = Buffer.from([magic >> 8, magic & 0xff, protocolVersion, frameTypes.WELCOME, 0, 0, 0, 0])

function parseWelcome(payload: Buffer): Welcome | undefined {
  try {
    return welcome.parse(JSON.parse(payload.toString("utf8")))
  } catch {
    return undefined
  }
}

/**
 * How long the agent may be silent before it is greeted again, in milliseconds. One that was just cloned takes some 100 to
 * answer under emulation, and several times that beside others: to take in the padding would cost it more still.
 */
const patience = 1_500

/** As long as the longest frame: it completes whatever frame of a dead session the agent is still waiting for. */
const padding = Buffer.alloc(limits.header + limits.request)

export interface Greeting {
  readonly welcome: Welcome
  /** Bytes that came after the welcome. */
  readonly rest: Buffer
  /** How many more welcomes with the same nonce may come, because the agent was greeted more than once. */
  readonly welcomesDue: number
}

/**
 * Begins a session on a connected socket. The socket is paused when it returns.
 *
 * @param resumed Whether the machine goes on from an instant of another one.
 * @throws AgentGoneError when the socket closes first, or `signal` aborts.
 * @throws AgentError when the agent speaks another version of the protocol.
 */
export async function greet(socket: Socket, signal: AbortSignal, resumed = false): Promise<Greeting> {
  const nonce = randomBytes(16).toString("hex")
  const greeting = { nonce, protocol: protocolVersion, ...(resumed && { resumed }) }
  const hello = encodeFrame("HELLO", 0, Buffer.from(JSON.stringify(greeting)))
  const finder = new WelcomeFinder(nonce)
  let greeted = 1
  socket.write(hello)
  const again = setInterval(() => {
    // What an agent that is still starting has not read need not be said twice.
    if (socket.writableLength > 0) return
    socket.write(Buffer.concat([padding, hello]))
    greeted++
  }, patience)
  let stop = (): void => undefined
  try {
    const found = await new Promise<{ welcome: Welcome; rest: Buffer }>((resolve, reject) => {
      const onData = (bytes: Buffer): void => {
        const answer = finder.push(bytes)
        if (answer === undefined) return
        socket.pause()
        resolve(answer)
      }
      const onGone = (): void => {
        reject(new AgentGoneError("the connection closed before the agent answered"))
      }
      stop = () => {
        socket.off("data", onData).off("close", onGone).off("error", onGone)
        signal.removeEventListener("abort", onGone)
      }
      signal.addEventListener("abort", onGone)
      socket.on("data", onData).on("close", onGone).on("error", onGone)
    })
    if (found.welcome.protocol !== protocolVersion) {
      throw new AgentError(
        "protocol_mismatch",
        `the agent speaks version ${found.welcome.protocol} of the protocol`,
      )
    }
    return { ...found, welcomesDue: greeted - 1 }
  } finally {
    clearInterval(again)
    stop()
  }
}
