import { once } from "node:events"
import type { AddressInfo, Server } from "node:net"

export interface Address {
  host: string
  /** 0 stands for any free port. */
  port: number
}

/** Listens and tells the port. @throws when the address cannot be had. */
export async function listen(server: Server, { host, port }: Address): Promise<number> {
  server.listen({ host, port })
  await once(server, "listening")
  return (server.address() as AddressInfo).port
}

/** Listens on loopback: on this port if it is free, else on any other. */
export async function listenOnLoopback(server: Server, preferredPort: number | null): Promise<number> {
  if (preferredPort !== null) {
    try {
      return await listen(server, { host: loopback, port: preferredPort })
    } catch {
      // Somebody else has it now.
    }
  }
  return listen(server, { host: loopback, port: 0 })
}

const loopback = "127.0.0.1"
