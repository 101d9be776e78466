import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { buffer } from "node:stream/consumers"
import { Client } from "opensandbox"
import type { Context } from "../context.js"
import { runCli } from "./run-cli.js"

interface Answer {
  /** 200 when left out. */
  status?: number
  /** The content type of bytes; `application/octet-stream` when left out. */
  type?: string
  /** Sent as JSON, or as it is when it is bytes. */
  body: unknown
  /** Break the connection after the body, as a server does whose stream fails. */
  breaksOff?: true
}

/** A server that answers what a test tells it to, and records what it was sent. */
export class FakeApi {
  /** By method and path, as in `GET /vms`. What is not here is not found. */
  answers: Record<string, Answer> = {}
  /** The bodies of the requests: JSON, or text where it is none. Empty ones are left out. */
  readonly bodies: unknown[] = []
  readonly #server = createServer((request, response) => void this.#answer(request, response))

  static async start(): Promise<FakeApi> {
    const api = new FakeApi()
    await new Promise<void>((resolve) => api.#server.listen(0, "127.0.0.1", resolve))
    return api
  }

  /** Runs a command line as a user of this server. */
  cli(args: readonly string[], world: Partial<Context> = {}) {
    const url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
    return runCli(args, { connect: () => new Client("ws_k", url), ...world })
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = (await buffer(request)).toString()
    if (text !== "") this.bodies.push(jsonOrText(text))
    const answer = this.answers[`${request.method ?? ""} ${request.url ?? ""}`] ?? notFound
    const bytes = answer.body instanceof Uint8Array
    const type = bytes ? (answer.type ?? "application/octet-stream") : "application/json"
    response.writeHead(answer.status ?? 200, { "content-type": type })
    response.write(bytes ? answer.body : JSON.stringify(answer.body), () => {
      if (answer.breaksOff === true) response.destroy()
      else response.end()
    })
  }
}

const notFound: Answer = { status: 404, body: { error: "There is no such sandbox", code: "not_found" } }

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
