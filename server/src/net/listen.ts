import { once } from "node:events"
import type { AddressInfo, Server } from "node:net"

export interface Address {
  host: string
  /** 0 stands for any free port. */
  port: number
}

/** Listens and tells the port. @throws Error that says what to do when the address cannot be had. */
export async function listen(server: Server, { host, port }: Address): Promise<number> {
  server.listen({ host, port })
  try {
    await once(server, "listening")
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException
    const why = reasons[code] ?? `cannot be listened on (${code})`
    throw new Error(`Port ${port} of ${host} ${why}.`, { cause: error })
  }
  return (server.address() as AddressInfo).port
}

const reasons: Record<string, string> = {
  EADDRINUSE: "is in use: end what listens there, or choose another port",
  EACCES: "may not be used by this user: choose a port from 1024 up",
  EADDRNOTAVAIL: "is not to be had: this host has no such address",
  ENOTFOUND: "is not to be had: no host has that name",
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
