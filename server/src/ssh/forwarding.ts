import type { Socket } from "node:net"
import type { Duplex } from "node:stream"
import type { Connection, ServerChannel, TcpipBindInfo, TcpipRequestInfo } from "ssh2"
import type { GuestAddress, GuestListener } from "@opensandbox/vm"
import type { OnConnection } from "../sandboxes/sandbox-service.js"
import { ForwardedConnection } from "./forwarded-connection.js"

/** TCP connections that one client may have forwarded at one time. */
const maxConnections = 64
/** Ports of the guest that one client may have forwarded to it. */
const maxListeners = 16

/** The TCP ports of the guest. */
export interface GuestPorts {
  connect(address: GuestAddress): Promise<Duplex>
  listen(address: GuestAddress, onConnection: OnConnection): Promise<GuestListener>
}

/** A client's forwarded ports: what it connects to in the guest (`ssh -L`), and what the guest connects to there (`-R`). */
export class SshForwarding {
  readonly #client: Connection
  readonly #socket: Socket
  readonly #guest: GuestPorts
  readonly #connections = new Set<ForwardedConnection>()
  readonly #listeners = new Map<string, GuestListener>()
  /** Connections that are there or are being made. */
  #count = 0
  #isOver = false

  constructor(client: Connection, socket: Socket, guest: GuestPorts) {
    this.#client = client
    this.#socket = socket
    this.#guest = guest
    client.on("tcpip", (accept, reject, info) => {
      void this.#connect(accept, reject, info)
    })
    client.on("request", (accept, reject, name: string, info) => {
      if (name === "tcpip-forward") void this.#listen(accept, reject, info)
      else if (name === "cancel-tcpip-forward") this.#cancel(accept, reject, info)
      else reject?.()
    })
  }

  /** The most bytes that the client sent on one connection and the guest has not taken yet. */
  get waitingInput(): number {
    return Math.max(0, ...[...this.#connections].map((connection) => connection.waitingInput))
  }

  /** The client is gone: closes all of it in the guest. */
  leave(): void {
    this.#isOver = true
    for (const listener of this.#listeners.values()) listener.close()
    for (const connection of this.#connections) connection.leave()
  }

  async #connect(accept: () => ServerChannel, reject: () => void, info: TcpipRequestInfo): Promise<void> {
    await this.#counted(async () => {
      const guest = await this.#guest.connect({ host: info.destIP, port: info.destPort })
      if (this.#isOver) guest.destroy()
      else await this.#carry(accept(), guest)
    }).catch(reject)
  }

  async #listen(
    accept: ((port?: number) => void) | undefined,
    reject: (() => void) | undefined,
    { bindAddr, bindPort }: TcpipBindInfo,
  ): Promise<void> {
    // That is how SSH says "at all addresses".
    const host = bindAddr === "" || bindAddr === "*" ? "0.0.0.0" : bindAddr
    try {
      if (this.#listeners.size >= maxListeners) throw new Error("too many listeners")
      let port = bindPort
      const listener = await this.#guest.listen({ host, port }, (guest, from) => {
        this.#offer(guest, from, { bindAddr, bindPort: port })
      })
      port = listener.port
      if (this.#isOver) {
        listener.close()
        return
      }
      this.#keep(`${bindAddr}:${port}`, listener)
      accept?.(port)
    } catch {
      reject?.()
    }
  }

  #keep(name: string, listener: GuestListener): void {
    this.#listeners.set(name, listener)
    void listener.ended.then(() => {
      // A listener that a restore ended cannot be told of; a client that is cut off knows to come again.
      if (this.#listeners.delete(name) && !this.#isOver) this.#client.end()
    })
  }

  #cancel(
    accept: (() => void) | undefined,
    reject: (() => void) | undefined,
    { bindAddr, bindPort }: TcpipBindInfo,
  ): void {
    const name = `${bindAddr}:${bindPort}`
    const listener = this.#listeners.get(name)
    if (listener === undefined) {
      reject?.()
      return
    }
    this.#listeners.delete(name)
    listener.close()
    accept?.()
  }

  /** Offers the client a connection that came to a listener. */
  #offer(guest: Duplex, from: { host: string; port: number }, { bindAddr, bindPort }: TcpipBindInfo): void {
    this.#counted(async () => {
      const channel = await new Promise<ServerChannel>((resolve, reject) => {
        this.#client.forwardOut(bindAddr, bindPort, from.host, from.port, (error, opened) => {
          if (error) reject(error)
          else resolve(opened)
        })
      })
      await this.#carry(channel, guest)
    }).catch(() => guest.destroy())
  }

  async #carry(channel: ServerChannel, guest: Duplex): Promise<void> {
    const connection = new ForwardedConnection(channel, guest, this.#socket)
    this.#connections.add(connection)
    await connection.closed
    this.#connections.delete(connection)
  }

  async #counted(work: () => Promise<void>): Promise<void> {
    if (this.#isOver || this.#count >= maxConnections) throw new Error("too many forwarded connections")
    this.#count += 1
    try {
      await work()
    } finally {
      this.#count -= 1
    }
  }
}
