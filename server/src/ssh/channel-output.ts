import { once } from "node:events"
import type { Socket } from "node:net"
import type { Writable } from "node:stream"
import type { ServerChannel } from "ssh2"

/**
 * What goes to the client over one channel. A write is fulfilled when the client has room for more, or is gone.
 *
 * ssh2 cannot have both streams wait for the client's window at once (it sends the first one's data again), and hands
 * data to the socket without looking whether that still takes any. So one chunk is under way at a time.
 */
export class ChannelOutput {
  readonly #channel: ServerChannel
  readonly #socket: Socket
  readonly #gone: AbortSignal
  #last: Promise<void> = Promise.resolve()

  /** `gone` is aborted when the client closed the channel or vanished. */
  constructor(channel: ServerChannel, socket: Socket, gone: AbortSignal) {
    this.#channel = channel
    this.#socket = socket
    this.#gone = gone
  }

  stdout(chunk: Uint8Array): Promise<void> {
    return this.#enqueue(this.#channel, chunk)
  }

  stderr(chunk: Uint8Array): Promise<void> {
    return this.#enqueue(this.#channel.stderr, chunk)
  }

  #enqueue(stream: Writable, chunk: Uint8Array): Promise<void> {
    this.#last = this.#last.then(() => this.#send(stream, chunk))
    return this.#last
  }

  async #send(stream: Writable, chunk: Uint8Array): Promise<void> {
    await this.#unlessGone((done) => stream.write(chunk, done))
    forgetBlockedChunk(this.#channel)
    if (this.#socket.writableNeedDrain) {
      await this.#unlessGone((done) => {
        once(this.#socket, "drain", { signal: this.#gone }).then(done, done)
      })
    }
  }

  /** ssh2 never calls back once a channel is closed. */
  async #unlessGone(act: (done: () => void) => void): Promise<void> {
    if (this.#gone.aborted) return
    await new Promise<void>((resolve) => {
      const done = () => {
        this.#gone.removeEventListener("abort", done)
        resolve()
      }
      this.#gone.addEventListener("abort", done)
      act(done)
    })
  }
}

/** ssh2 keeps a chunk that had to wait, and would send it again when the other stream waits next. */
function forgetBlockedChunk(channel: ServerChannel): void {
  Object.assign(channel, {
    _chunk: undefined,
    _chunkcb: undefined,
    _chunkErr: undefined,
    _chunkcbErr: undefined,
  })
}
