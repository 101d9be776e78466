import { z } from "zod"
import { within } from "../deadline.js"
import type { AgentConnection } from "./connection.js"
import { AgentGoneError, ProtocolError } from "./errors.js"
import { GuestSocket } from "./guest-socket.js"
import { awaitPortDone, connectionDone, incoming, listenDone, listening } from "./messages.js"

/** An end of a TCP connection inside the guest. */
export interface GuestAddress {
  /** A name or an address, as the guest sees it. Default: the guest itself, at 127.0.0.1 or ::1. */
  readonly host?: string | undefined
  readonly port: number
}

/** Something that takes TCP connections inside the guest. */
export interface GuestListener {
  /** Where it listens. */
  readonly port: number
  /** Settles, never with an error, when it listens no more. */
  readonly ended: Promise<void>
  /** Listens no more. The connections that it took go on. */
  close(): void
}

/** Takes a connection; `from` is its other end. */
export type ConnectionHandler = (socket: GuestSocket, from: { host: string; port: number }) => void

/** Connections of one listener that may be on their way here at one time; the agent lets fewer wait. */
const maxArriving = 64

/** How long the guest may take to hand over a connection, in milliseconds. */
const handOverMilliseconds = 10_000

const listenEvent = z.union([listening, incoming])

/** The TCP ports of a guest. No port of the host is opened. */
export class GuestPorts {
  readonly #agent: Pick<AgentConnection, "ask" | "stream">

  constructor(agent: Pick<AgentConnection, "ask" | "stream">) {
    this.#agent = agent
  }

  /**
   * Connects to a port from inside the guest.
   *
   * @throws AgentError with code `refused` or `unreachable`, DeadlineError, AgentGoneError.
   */
  async connect({ host, port }: GuestAddress, deadlineMs: number): Promise<GuestSocket> {
    const request = { op: "connect", port, ...(host !== undefined && { host }) } as const
    const socket = new GuestSocket((handlers) => this.#agent.stream(request, connectionDone, handlers))
    return there(socket, deadlineMs)
  }

  /**
   * Listens inside the guest, by default at 127.0.0.1.
   *
   * @param address Its port may be 0, for any that is free.
   * @throws AgentError with code `cannot_listen`, DeadlineError, AgentGoneError.
   */
  async listen(
    { host, port }: GuestAddress,
    onConnection: ConnectionHandler,
    deadlineMs: number,
  ): Promise<GuestListener> {
    let arriving = 0
    let id: number | undefined
    const take = async (connection: number, from: { host: string; port: number }, listener: number) => {
      arriving++
      try {
        onConnection(await this.#accept(listener, connection), from)
      } catch {
        // It has gone again before it could be taken.
      } finally {
        arriving--
      }
    }
    let onListening: (port: number) => void = () => undefined
    const bound = new Promise<number>((resolve) => {
      onListening = resolve
    })
    const request = { op: "listen", port, ...(host !== undefined && { host }) } as const
    const stream = this.#agent.stream(request, listenDone, {
      onEvent: (json) => {
        const told = listenEvent.safeParse(json)
        if (!told.success || arriving >= maxArriving)
          throw new ProtocolError("an event that no listener may send")
        const { data } = told
        if ("listener" in data) {
          id = data.listener
          onListening(data.port)
        } else if (id === undefined) {
          throw new ProtocolError("a connection to what does not listen yet")
        } else {
          void take(data.connection, { host: data.host, port: data.port }, id)
        }
      },
    })
    const early = stream.done.then(() => {
      throw new AgentGoneError("the listener ended before it listened")
    })
    try {
      const at = await within(deadlineMs, "listening in the guest", Promise.race([bound, early]))
      const ended = stream.done.then(
        () => undefined,
        () => undefined,
      )
      return {
        port: at,
        ended,
        close: () => {
          stream.cancel()
        },
      }
    } catch (error) {
      stream.cancel()
      throw error
    }
  }

  /**
   * Waits until something in the guest listens on a port of the loopback interface, at most `milliseconds`.
   *
   * @throws AgentError with code `not_listening` when nothing did; DeadlineError, AgentGoneError. With `signal` aborted,
   *   its reason.
   */
  async awaitPort(port: number, milliseconds: number, signal?: AbortSignal): Promise<void> {
    const request = { op: "awaitPort", port, timeoutMs: Math.ceil(milliseconds) } as const
    const stream = this.#agent.stream(request, awaitPortDone, {})
    const cancel = () => {
      stream.cancel()
    }
    signal?.addEventListener("abort", cancel, { once: true })
    if (signal?.aborted === true) cancel()
    try {
      await within(milliseconds + handOverMilliseconds, "the agent's answer to awaitPort", stream.done)
    } catch (error) {
      stream.cancel()
      throw signal?.aborted === true ? signal.reason : error
    } finally {
      signal?.removeEventListener("abort", cancel)
    }
  }

  #accept(listener: number, connection: number): Promise<GuestSocket> {
    const request = { op: "accept", listener, connection } as const
    return there(
      new GuestSocket((handlers) => this.#agent.stream(request, connectionDone, handlers)),
      handOverMilliseconds,
    )
  }
}

/** The socket once the guest has it. */
async function there(socket: GuestSocket, deadlineMs: number): Promise<GuestSocket> {
  try {
    await within(deadlineMs, "the connection in the guest", socket.connected)
    return socket
  } catch (error) {
    socket.destroy()
    throw error
  }
}
