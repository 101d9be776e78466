import { createServer, type Server, type Socket } from "node:net"
import { listenOnLoopback } from "../net/listen.js"
import { SshConnection, type SshParts, type SshTarget } from "./connection.js"

const maxConnections = 64
/** Of those, how many may be about to log in. */
const maxStrangers = 10

/** A sandbox's SSH port on loopback. */
export class SshPort {
  readonly port: number
  readonly #server: Server
  readonly #connections: Map<Socket, SshConnection>

  private constructor(server: Server, port: number, connections: Map<Socket, SshConnection>) {
    this.#server = server
    this.port = port
    this.#connections = connections
  }

  static async listen(target: SshTarget, parts: SshParts, preferredPort: number | null): Promise<SshPort> {
    const connections = new Map<Socket, SshConnection>()
    const server = createServer((socket) => {
      const strangers = [...connections.values()].filter((connection) => !connection.isLoggedIn).length
      if (strangers >= maxStrangers) {
        socket.destroy()
        return
      }
      socket.on("close", () => connections.delete(socket))
      connections.set(socket, new SshConnection(socket, target, parts))
    })
    server.maxConnections = maxConnections
    return new SshPort(server, await listenOnLoopback(server, preferredPort), connections)
  }

  /** Stops listening and cuts every connection, which ends its commands. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    for (const socket of this.#connections.keys()) socket.destroy()
    await closed
  }
}
