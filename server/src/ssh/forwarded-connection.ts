import type { Socket } from "node:net"
import type { Duplex } from "node:stream"
import type { ServerChannel } from "ssh2"
import { ChannelOutput } from "./channel-output.js"

/** A TCP connection in the guest and the channel that carries it to the client, each way at the pace of its reader. */
export class ForwardedConnection {
  /** Settles, never with an error, when both are closed. */
  readonly closed: Promise<void>
  readonly #channel: ServerChannel
  readonly #guest: Duplex
  readonly #gone = new AbortController()

  constructor(channel: ServerChannel, guest: Duplex, socket: Socket) {
    this.#channel = channel
    this.#guest = guest
    // Errors of a channel are those of its connection, which ends itself; those of the guest's side close it.
    channel.on("error", () => undefined)
    guest.on("error", () => undefined)
    guest.on("close", () => {
      channel.close()
    })
    this.closed = new Promise((resolve) => {
      channel.on("close", () => {
        this.leave()
        resolve()
      })
    })
    this.#sendInput()
    void this.#sendOutput(new ChannelOutput(channel, socket, this.#gone.signal))
  }

  /** Bytes that the client sent and the guest has not taken yet. */
  get waitingInput(): number {
    return this.#channel.readableLength
  }

  /** The client is gone: closes the guest's connection. */
  leave(): void {
    this.#gone.abort()
    this.#guest.destroy()
  }

  #sendInput(): void {
    this.#channel.on("data", (chunk: Buffer) => {
      if (this.#guest.write(chunk)) return
      this.#channel.pause()
      this.#guest.once("drain", () => this.#channel.resume())
    })
    this.#channel.on("end", () => this.#guest.end())
  }

  async #sendOutput(output: ChannelOutput): Promise<void> {
    try {
      for await (const chunk of this.#guest.iterator({ destroyOnReturn: false })) {
        await output.stdout(chunk as Buffer)
      }
      // The client may go on sending.
      this.#channel.eof()
    } catch {
      // The guest's connection broke off, which closes the channel.
    }
  }
}
