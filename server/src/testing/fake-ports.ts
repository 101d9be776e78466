import { createServer, type AddressInfo, type Server } from "node:net"
import { PassThrough, type Duplex } from "node:stream"
import type { GuestAddress, GuestListener } from "@opensandbox/vm"
import { Failure } from "../failure.js"
import type { OnConnection } from "../sandboxes/sandbox-service.js"

/** A guest's ports without a guest: each echoes what it is sent, but nothing is at port 1. */
export class FakePorts {
  readonly connected: GuestAddress[] = []
  readonly sockets: Duplex[] = []
  readonly #servers = new Set<Server>()

  /** Where it listens. */
  get listening(): number[] {
    return [...this.#servers].map((server) => (server.address() as AddressInfo).port)
  }

  async connect(address: GuestAddress): Promise<Duplex> {
    await Promise.resolve()
    if (address.port === 1) throw new Failure("unavailable", "Nothing takes connections to port 1.")
    this.connected.push(address)
    const socket = new PassThrough()
    this.sockets.push(socket)
    return socket
  }

  /** Listens on the host, in the place of a guest. */
  async listen({ port }: GuestAddress, onConnection: OnConnection): Promise<GuestListener> {
    if (port === 1) throw new Failure("unavailable", "The guest cannot listen on port 1.")
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      onConnection(socket, { host: socket.remoteAddress ?? "", port: socket.remotePort ?? 0 })
    })
    const ended = new Promise<void>((resolve) => server.once("close", resolve))
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    this.#servers.add(server)
    const close = () => {
      this.#servers.delete(server)
      server.close()
    }
    return { port: (server.address() as AddressInfo).port, ended, close }
  }

  stopListening(): void {
    for (const server of this.#servers) server.close()
    this.#servers.clear()
  }
}
