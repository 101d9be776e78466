import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { Duplex, Writable } from "node:stream"
import { getRequestListener } from "@hono/node-server"
import { listen, listenOnLoopback, type Address } from "../net/listen.js"
import { breaking } from "./transfer.js"

/** How long a request's headers may take to arrive. */
const headersTimeoutMs = 60_000

/** How long connections may take to end once the server stops. */
const closeDeadlineMs = 5_000

/** The answer to a request to upgrade where nothing speaks another protocol. */
const noUpgrade = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"

/** What answers requests, as `Hono.fetch` does. */
type Fetch = (request: Request) => Response | Promise<Response>

/** What takes over the connection of a request to upgrade it; `head` is what has come of the next protocol already. */
export type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

/** Answers requests for hosts that it knows. */
interface RequestProxy {
  takes(request: IncomingMessage): boolean
  /** Never rejects. */
  answer(request: IncomingMessage, response: ServerResponse): Promise<void>
  /** Never rejects. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void>
}

/** What is done with requests. */
export interface HttpService {
  fetch: Fetch
  /** What takes some requests before `fetch` sees them. */
  proxy?: RequestProxy
  /** Without it a request to upgrade is answered as one that is none. */
  upgrade?: Upgrade
}

/** A listening HTTP server. */
export class HttpServer {
  readonly port: number
  readonly #server: Server
  /** Connections that speak another protocol now, of which Node's server knows no more. */
  readonly #upgraded: Set<Duplex>

  private constructor(server: Server, upgraded: Set<Duplex>, port: number) {
    this.#server = server
    this.#upgraded = upgraded
    this.port = port
  }

  /** @throws when the address cannot be had. */
  static async listen(service: HttpService, address: Address): Promise<HttpServer> {
    const [server, upgraded] = serverOf(service)
    return new HttpServer(server, upgraded, await listen(server, address))
  }

  /** Takes any free port when the preferred one is not to be had. */
  static async listenOnLoopback(service: HttpService, preferredPort: number | null): Promise<HttpServer> {
    const [server, upgraded] = serverOf(service)
    return new HttpServer(server, upgraded, await listenOnLoopback(server, preferredPort))
  }

  /**
   * Stops listening at once, and cuts upgraded connections. Fulfilled when the last answer is out, or cut off after 5
   * seconds.
   */
  async close(): Promise<void> {
    const deadline = setTimeout(() => {
      this.#server.closeAllConnections()
    }, closeDeadlineMs)
    await new Promise((resolve) => {
      this.#server.close(resolve)
      this.#server.closeIdleConnections()
      for (const socket of this.#upgraded) socket.destroy()
    })
    clearTimeout(deadline)
  }
}

function serverOf({ fetch, proxy, upgrade }: HttpService): [Server, Set<Duplex>] {
  const answer = getRequestListener(
    async (request, { outgoing }) => breakable(await fetch(request), outgoing),
    { overrideGlobalObjects: false },
  )
  // How long a body may take is the app's matter: an archive takes as long as it takes.
  const timeouts = { headersTimeout: headersTimeoutMs, requestTimeout: 0 }
  const server = createServer(timeouts, (request, response) => {
    void (proxy?.takes(request) === true ? proxy.answer(request, response) : answer(request, response))
  })
  const upgraded = new Set<Duplex>()
  if (upgrade !== undefined || proxy !== undefined) {
    server.on("upgrade", (request, socket, head) => {
      upgraded.add(socket)
      socket.on("close", () => upgraded.delete(socket))
      // A client that vanishes is no error of the server; who has the connection hears of its end.
      socket.on("error", () => undefined)
      if (proxy?.takes(request) === true) void proxy.upgrade(request, socket, head)
      else if (upgrade !== undefined) upgrade(request, socket, head)
      else socket.end(noUpgrade, () => socket.destroy())
    })
  }
  return [server, upgraded]
}

/** An answer that comes as a stream and fails midway is no answer. */
function breakable(response: Response, connection: Writable): Response {
  if (response.headers.get("transfer-encoding") !== "chunked" || response.body === null) return response
  return new Response(breaking(response.body, connection), response)
}
