import { within } from "../deadline.js"
import type { AgentConnection } from "./connection.js"
import { ListenerStream, type ConnectionHandler, type GuestListener } from "./guest-listener.js"
import { GuestSocket } from "./guest-socket.js"
import { awaitPortDone, connectionDone, listenDone } from "./messages.js"

/** An end of a TCP connection inside the guest. */
export interface GuestAddress {
  /** A name or an address, as the guest sees it. Default: the guest itself, at 127.0.0.1 or ::1. */
  readonly host?: string | undefined
  readonly port: number
}

/** A connection that the guest is asked to make. What is written before it is there is sent once it is. */
export interface DialledSocket {
  readonly socket: GuestSocket
  /** Resolves when the connection is there. Rejects with why there is none; the socket is destroyed then. */
  readonly connected: Promise<void>
}

/** How long the guest may take to hand over a connection, in milliseconds. */
const handOverMilliseconds = 10_000

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
  async connect(address: GuestAddress, deadlineMs: number): Promise<GuestSocket> {
    const { socket, connected } = this.dial(address, deadlineMs)
    await connected
    return socket
  }

  /** As `connect`, for those who have something to send at once: it spares them the way to the guest and back. */
  dial({ host, port }: GuestAddress, deadlineMs: number): DialledSocket {
    const request = { op: "connect", port, ...(host !== undefined && { host }) } as const
    const socket = new GuestSocket((handlers) => this.#agent.stream(request, connectionDone, handlers))
    const connected = there(socket, deadlineMs)
    connected.catch(() => undefined)
    return { socket, connected }
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
    const request = { op: "listen", port, ...(host !== undefined && { host }) } as const
    const listener = new ListenerStream(
      (handlers) => this.#agent.stream(request, listenDone, handlers),
      (listener, connection) => this.#accept(listener, connection),
      onConnection,
    )
    try {
      await within(deadlineMs, "listening in the guest", listener.listening)
      return listener
    } catch (error) {
      listener.close()
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

  async #accept(listener: number, connection: number): Promise<GuestSocket> {
    const request = { op: "accept", listener, connection } as const
    const socket = new GuestSocket((handlers) => this.#agent.stream(request, connectionDone, handlers))
    await there(socket, handOverMilliseconds)
    return socket
  }
}

/** Waits until the guest has the connection, and destroys the socket when that does not come to be. */
async function there(socket: GuestSocket, deadlineMs: number): Promise<void> {
  try {
    await within(deadlineMs, "the connection in the guest", socket.connected)
  } catch (error) {
    socket.destroy()
    throw error
  }
}
