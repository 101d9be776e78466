import { createServer, type Server } from "node:http"
import type { Writable } from "node:stream"
import { getRequestListener } from "@hono/node-server"
import { listen, listenOnLoopback, type Address } from "../net/listen.js"
import { breaking } from "./transfer.js"

/** How long a request's headers may take to arrive. */
const headersTimeoutMs = 60_000

/** How long connections may take to end once the server stops. */
const closeDeadlineMs = 5_000

/** What answers requests, as `Hono.fetch` does. */
export type Fetch = (request: Request) => Response | Promise<Response>

/** A listening HTTP server. */
export class HttpServer {
  readonly port: number
  readonly #server: Server

  private constructor(server: Server, port: number) {
    this.#server = server
    this.port = port
  }

  /** @throws when the address cannot be had. */
  static async listen(fetch: Fetch, address: Address): Promise<HttpServer> {
    const server = serverOf(fetch)
    return new HttpServer(server, await listen(server, address))
  }

  /** Takes any free port when the preferred one is not to be had. */
  static async listenOnLoopback(fetch: Fetch, preferredPort: number | null): Promise<HttpServer> {
    const server = serverOf(fetch)
    return new HttpServer(server, await listenOnLoopback(server, preferredPort))
  }

  /** Stops listening at once. Fulfilled when the last answer is out, or cut off after 5 seconds. */
  async close(): Promise<void> {
    const deadline = setTimeout(() => {
      this.#server.closeAllConnections()
    }, closeDeadlineMs)
    await new Promise((resolve) => {
      this.#server.close(resolve)
      this.#server.closeIdleConnections()
    })
    clearTimeout(deadline)
  }
}

function serverOf(fetch: Fetch): Server {
  const answer = getRequestListener(
    async (request, { outgoing }) => breakable(await fetch(request), outgoing),
    { overrideGlobalObjects: false },
  )
  // How long a body may take is the app's matter: an archive takes as long as it takes.
  const timeouts = { headersTimeout: headersTimeoutMs, requestTimeout: 0 }
  return createServer(timeouts, (request, response) => void answer(request, response))
}

/** An answer that comes as a stream and fails midway is no answer. */
function breakable(response: Response, connection: Writable): Response {
  if (response.headers.get("transfer-encoding") !== "chunked" || response.body === null) return response
  return new Response(breaking(response.body, connection), response)
}
