import { ProtocolError } from "./errors.js"
import { encodeCredit, limits, type Credit } from "./frame.js"
import type { SendFrame } from "./stream.js"

/** Called for each piece of output; credit is granted to the guest only after the returned promise settles. */
export type OutputHandler = (chunk: Uint8Array) => void | Promise<void>

/** How much output is handled before credit for it is granted: small outputs need no such frame. */
export const creditStep = 64 * 1024

/** Output waits in blocks of this many bytes, so that a flood of tiny frames takes no more memory than its bytes. */
const blockSize = 128 * 1024

/**
 * A piece of output that is at least this part of the memory that it was received in waits there, and is not copied into a
 * block: what waits takes at most four times as much memory as its bytes.
 */
const enoughOfItsMemory = 0.25

/** Brings one channel of a command's output to its handler, one piece after the other. */
export class OutputChannel {
  readonly #handler: OutputHandler
  readonly #channel: Credit["channel"]
  readonly #send: SendFrame
  #credit: number = limits.window
  #handled = 0
  #waiting: Uint8Array[] = []
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
    if (bytes.length >= bytes.buffer.byteLength * enoughOfItsMemory) {
      this.#waiting.push(bytes)
      this.#room = 0
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
    // The first piece is as a rule the only one.
    const block = new Uint8Array(last === undefined ? bytes.length : Math.max(blockSize, bytes.length))
    block.set(bytes)
    this.#room = block.length - bytes.length
    this.#waiting.push(block.subarray(0, bytes.length))
  }

  async #deliver(): Promise<void> {
    for (let chunk = this.#waiting.shift(); chunk !== undefined; chunk = this.#waiting.shift()) {
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
