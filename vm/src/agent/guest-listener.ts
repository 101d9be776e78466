import { z } from "zod"
import { AgentGoneError, ProtocolError } from "./errors.js"
import type { GuestSocket } from "./guest-socket.js"
import type { GuestStream, StreamHandlers } from "./guest-stream.js"
import { incoming, listening, type listenDone } from "./messages.js"

/** Takes a connection; `from` is its other end. */
export type ConnectionHandler = (socket: GuestSocket, from: { host: string; port: number }) => void

/** Connections of one listener that may be on their way here at one time; the agent lets fewer wait. */
const maxArriving = 64

const event = z.union([listening, incoming])

/** Something that takes TCP connections inside the guest. */
export interface GuestListener {
  /** Where it listens. */
  readonly port: number
  /** Settles, never with an error, when it listens no more. */
  readonly ended: Promise<void>
  /** Listens no more. The connections that it took go on. */
  close(): void
}

/** The stream of a request to listen. */
export class ListenerStream implements GuestListener {
  /** Resolves when it listens. Rejects as the stream's answer does. */
  readonly listening: Promise<void>
  readonly ended: Promise<void>
  readonly #stream: GuestStream<z.infer<typeof listenDone>>
  readonly #accept: (listener: number, connection: number) => Promise<GuestSocket>
  readonly #onConnection: ConnectionHandler
  #onListening: () => void = () => undefined
  #port = 0
  /** What the agent calls it, once it listens. */
  #id: number | undefined
  #arriving = 0

  /**
   * @param open Makes the request to listen.
   * @param accept Takes a connection that waits in the guest.
   */
  constructor(
    open: (handlers: StreamHandlers) => GuestStream<z.infer<typeof listenDone>>,
    accept: (listener: number, connection: number) => Promise<GuestSocket>,
    onConnection: ConnectionHandler,
  ) {
    this.#accept = accept
    this.#onConnection = onConnection
    const there = new Promise<void>((resolve) => {
      this.#onListening = resolve
    })
    this.#stream = open({
      onEvent: (json) => {
        this.#receive(json)
      },
    })
    const early = this.#stream.done.then(() => {
      throw new AgentGoneError("the listener ended before it listened")
    })
    this.listening = Promise.race([there, early])
    this.listening.catch(() => undefined)
    this.ended = this.#stream.done.then(
      () => undefined,
      () => undefined,
    )
  }

  /** Where it listens; 0 before it does. */
  get port(): number {
    return this.#port
  }

  close(): void {
    this.#stream.cancel()
  }

  #receive(json: unknown): void {
    const told = event.safeParse(json)
    if (!told.success) throw new ProtocolError("an event that is none of a listener's")
    if ("listener" in told.data) {
      this.#id = told.data.listener
      this.#port = told.data.port
      this.#onListening()
      return
    }
    if (this.#id === undefined) throw new ProtocolError("a connection to what does not listen yet")
    if (this.#arriving >= maxArriving) throw new ProtocolError("more connections than an agent lets wait")
    const { connection, host, port } = told.data
    void this.#take(this.#id, connection, { host, port })
  }

  async #take(listener: number, connection: number, from: { host: string; port: number }): Promise<void> {
    this.#arriving++
    try {
      this.#onConnection(await this.#accept(listener, connection), from)
    } catch {
      // It has gone again before it could be taken.
    } finally {
      this.#arriving--
    }
  }
}
