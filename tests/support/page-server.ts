import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"

/** Serves one web page with one script, at every path, on a free loopback port. */
export class PageServer {
  /** The page's origin, as a browser names it. */
  readonly origin: string
  /** The same page from another origin: to a browser, another name is another site. */
  readonly strangeOrigin: string
  readonly #server: Server

  private constructor(server: Server) {
    const { port } = server.address() as AddressInfo
    this.origin = `http://127.0.0.1:${port}`
    this.strangeOrigin = `http://localhost:${port}`
    this.#server = server
  }

  /** @param script The text of the page's module. */
  static async start(script: string): Promise<PageServer> {
    const server = createServer((request, response) => {
      const [type, body] = request.url === "/script.js" ? ["text/javascript", script] : ["text/html", page]
      response.writeHead(200, { "content-type": `${type}; charset=utf-8` }).end(body)
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    return new PageServer(server)
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

const page = '<!doctype html><title>OpenSandbox</title><script type="module" src="/script.js"></script>'
