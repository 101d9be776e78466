import { Duplex } from "node:stream"
import { z } from "zod"
import { AgentGoneError, ProtocolError } from "./errors.js"
import type { GuestStream, StreamHandlers } from "./guest-stream.js"
import { connected, outputEnded, type connectionDone } from "./messages.js"

type ConnectionDone = z.infer<typeof connectionDone>

const event = z.union([connected, outputEnded])

/**
 * A TCP connection that the guest has made or taken, as a stream that can be half closed. Each side goes at the pace of
 * its reader, over the connection of the agent; destroying it closes the guest's connection. It reports errors to those
 * who listen, and is no danger where nobody does.
 */
export class GuestSocket extends Duplex {
  /** Resolves when the guest's connection is there. Rejects as the stream's answer does. */
  readonly connected: Promise<void>
  readonly #stream: GuestStream<ConnectionDone>
  #received = 0
  /** How many bytes come in all, once that is known. */
  #total: number | undefined
  /** Asks the guest for more. */
  #resume: (() => void) | undefined

  /** @param open Makes the request for the connection. */
  constructor(open: (handlers: StreamHandlers) => GuestStream<ConnectionDone>) {
    super()
    this.on("error", () => undefined)
    let onConnected: () => void = () => undefined
    const there = new Promise<void>((resolve) => {
      onConnected = resolve
    })
    this.#stream = open({
      onStdout: (chunk) => this.#receive(chunk),
      onEvent: (json) => {
        const told = event.safeParse(json)
        if (!told.success) throw new ProtocolError("an event that is none of a connection's")
        if ("connected" in told.data) {
          onConnected()
          return
        }
        this.#total = told.data.outputEnded
        this.#endWhenComplete()
      },
    })
    const early = this.#stream.done.then(() => {
      throw new AgentGoneError("the connection ended before it was there")
    })
    this.connected = Promise.race([there, early])
    this.connected.catch(() => undefined)
    this.#stream.done.then(
      () => {
        this.#finish()
      },
      (error: unknown) => {
        this.destroy(error instanceof Error ? error : new Error(String(error)))
      },
    )
  }

  override _read(): void {
    this.#resume?.()
    this.#resume = undefined
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, callback: () => void): void {
    void this.#stream.write(chunk).then(callback)
  }

  /** What was written counts as done when the guest's connection is over: until then it may still be on its way. */
  override _final(callback: (error?: Error | null) => void): void {
    this.#stream.end()
    this.#stream.done.then(() => {
      callback()
    }, callback)
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#stream.cancel()
    this._read()
    callback(error)
  }

  #receive(chunk: Uint8Array): Promise<void> | undefined {
    this.#received += chunk.length
    if (this.destroyed || this.readableEnded || (this.#total ?? Infinity) < this.#received) return undefined
    const wantsMore = this.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length))
    this.#endWhenComplete()
    if (wantsMore) return undefined
    return new Promise((resolve) => {
      this.#resume = resolve
    })
  }

  #endWhenComplete(): void {
    if (this.#received === this.#total && !this.destroyed) this.push(null)
  }

  /** Both sides have ended in the guest. */
  #finish(): void {
    if (this.#total === this.#received) this.end()
    else this.destroy(new ProtocolError("a connection ended in the midst of what it received"))
  }
}
