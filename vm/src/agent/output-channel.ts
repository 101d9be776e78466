import { setImmediate as turn } from "node:timers/promises"
import { ProtocolError } from "./errors.js"
import { encodeCredit, limits, type Credit } from "./frame.js"
import type { SendFrame } from "./stream.js"

/** Called for each piece of output; credit is granted to the guest only after the returned promise settles. */
export type OutputHandler = (chunk: Uint8Array) => void | Promise<void>

/**
 * How much output is handled before credit for it is granted: small outputs need no such frame, and each takes the guest
 * about as long as to send one. With a whole frame it is less than the window, also of older agents, so that nobody ever waits
 * for the other.
 */
export const creditStep = 192 * 1024

/** Small pieces of output wait in blocks of this many bytes, so that a flood of them takes no more memory than its bytes. */
const blockSize = 64 * 1024

/** Pieces of so many bytes wait as they are: most of the memory that they came in, 64 KiB at a time, is theirs. */
const largePiece = 16 * 1024

/**
 * From so many waiting bytes on, all that one turn of the event loop brings is handed on together: to hand on a piece, through
 * streams and HTTP, costs more than to copy it, and so it does those who receive it.
 */
const floodSize = 32 * 1024

/** Brings one channel of a command's output to its handler, one piece after the other. */
export class OutputChannel {
  readonly #handler: OutputHandler
  readonly #channel: Credit["channel"]
  readonly #send: SendFrame
  #credit: number = limits.outputWindow
  #handled = 0
  #waiting: Uint8Array[] = []
  #waitingBytes = 0
  /** Free bytes at the end of the last waiting block, which are no part of the array in `#waiting`. */
  #room = 0
  #delivering = false
  #delivery: Promise<void> = Promise.resolve()
  #abandoned = false

  constructor(channel: Credit["channel"], handler: OutputHandler, send: SendFrame) {
    this.#channel = channel
    this.#handler = handler
    this.#send = send
  }

  /** @throws ProtocolError when the guest sends more than it may. */
  receive(bytes: Uint8Array): void {
    if (bytes.length > this.#credit) throw new ProtocolError("output beyond its credit")
    this.#credit -= bytes.length
    this.#keep(bytes)
    if (this.#delivering) return
    this.#delivering = true
    this.#delivery = this.#deliver()
  }

  /** Settles, never with an error, when all that was received has been handled. */
  delivered(): Promise<void> {
    return this.#delivery
  }

  #keep(bytes: Uint8Array): void {
    this.#waitingBytes += bytes.length
    if (bytes.length >= largePiece) {
      this.#room = 0
      this.#waiting.push(bytes)
      return
    }
    const last = this.#waiting.at(-1)
    if (last !== undefined && this.#room >= bytes.length) {
      const longer = new Uint8Array(last.buffer, 0, last.length + bytes.length)
      longer.set(bytes, last.length)
      this.#room -= bytes.length
      this.#waiting[this.#waiting.length - 1] = longer
      return
    }
    // One that follows no other small one is as a rule the only one. A guest that sends small and large ones in turns gets no
    // block for each.
    const alone = last === undefined || last.length >= largePiece
    const block = Buffer.allocUnsafeSlow(alone ? bytes.length : blockSize)
    block.set(bytes)
    this.#room = block.length - bytes.length
    this.#waiting.push(new Uint8Array(block.buffer, 0, bytes.length))
  }

  async #deliver(): Promise<void> {
    while (this.#waiting.length > 0) {
      if (this.#waitingBytes >= floodSize) await turn()
      const chunk = this.#waiting.shift()
      if (chunk === undefined) break
      this.#waitingBytes -= chunk.length
      if (this.#waiting.length === 0) this.#room = 0
      try {
        if (!this.#abandoned) await this.#handler(chunk)
      } catch {
        // A handler that fails is one that nobody listens with any more. The command goes on.
        this.#abandoned = true
      }
      this.#settle(chunk.length)
    }
    this.#delivering = false
  }

  #settle(bytes: number): void {
    this.#handled += bytes
    if (this.#handled < creditStep) return
    this.#send("CREDIT", encodeCredit({ channel: this.#channel, bytes: this.#handled }))
    this.#credit += this.#handled
    this.#handled = 0
  }
}
