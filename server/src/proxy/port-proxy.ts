import type { IncomingMessage, ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import type { Logger } from "pino"
import { Failure } from "../failure.js"
import type { SandboxService } from "../sandboxes/sandbox-service.js"
import { credentialsOf, tokenCookie, type Credentials } from "./credentials.js"
import { forward } from "./forward.js"
import { forwardUpgrade } from "./forward-upgrade.js"
import { answerWithPage, refuseWithPage } from "./plain-page.js"
import type { PortAccess, Visitor } from "./port-access.js"
import { parsePortHost, type PortHost } from "./port-host.js"

/** The domain of which every host name leads to the host itself. */
const localDomain = "localhost"

interface PortProxyParts {
  access: PortAccess
  service: () => Pick<SandboxService, "dial">
  /** What sandboxes' host names end with, beside `localhost`. */
  domain: string
  log: Logger
}

/**
 * Answers requests to hosts like `8080-my-sandbox.localhost` with what a server in the sandbox answers. Each sandbox and
 * port is a host of its own, and so to browsers an origin of its own, apart from the API's.
 */
export class PortProxy {
  readonly #access: PortAccess
  readonly #service: PortProxyParts["service"]
  readonly #domains: readonly string[]
  readonly #log: Logger

  constructor({ access, service, domain, log }: PortProxyParts) {
    this.#access = access
    this.#service = service
    this.#domains = [...new Set([localDomain, domain])]
    this.#log = log
  }

  /** Whether a request is for a port of a sandbox. */
  takes(request: IncomingMessage): boolean {
    return this.#targetOf(request) !== undefined
  }

  /** Answers a request that it takes. Never rejects. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const { target, visitor, credentials } = await this.#admit(request)
      if (visitor.linkSeconds !== undefined && isNavigation(request)) {
        redirectWithCookie(response, credentials, visitor.linkSeconds)
        return
      }
      const guest = await this.#service().dial(visitor.owner, target.name, { port: target.port })
      if (response.closed || response.destroyed) guest.socket.destroy()
      else forward({ request, path: credentials.path, port: target.port }, response, guest)
    } catch (error) {
      answerWithPage(response, this.#failure(error))
    }
  }

  /** Answers a request to upgrade that it takes. Never rejects. */
  async upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    try {
      const { target, visitor, credentials } = await this.#admit(request)
      const guest = await this.#service().dial(visitor.owner, target.name, { port: target.port })
      const forwarded = { request, path: credentials.path, port: target.port }
      if (socket.destroyed) guest.socket.destroy()
      else forwardUpgrade(forwarded, { socket, head }, guest)
    } catch (error) {
      refuseWithPage(socket, this.#failure(error))
    }
  }

  async #admit(
    request: IncomingMessage,
  ): Promise<{ target: PortHost; visitor: Visitor; credentials: Credentials }> {
    const target = this.#targetOf(request)
    if (target === undefined) throw new Error("a request for no port of a sandbox")
    if (request.url?.startsWith("/") !== true) {
      throw new Failure("invalid_request", "A request's target must be a path that begins with a slash.")
    }
    const credentials = credentialsOf(request)
    return { target, visitor: await this.#access.admit(target, credentials), credentials }
  }

  #targetOf(request: IncomingMessage): PortHost | undefined {
    return parsePortHost(request.headers.host, this.#domains)
  }

  #failure(error: unknown): Failure {
    if (error instanceof Failure) return error
    this.#log.error({ err: error }, "a request for a port of a sandbox met an unexpected error")
    return new Failure("internal", "The server made a mistake; its log says more.")
  }
}

/** Whether a person follows a link: a program gets what it asks for at once. */
function isNavigation({ method, headers }: IncomingMessage): boolean {
  return (method === "GET" || method === "HEAD") && headers.accept?.includes("text/html") === true
}

/** Takes the token out of what the browser shows, keeps and tells others, and has it sent with further requests. */
function redirectWithCookie(
  response: ServerResponse,
  { path, linkToken = "" }: Credentials,
  seconds: number,
): void {
  response.writeHead(302, {
    // What begins with two slashes would be another host.
    location: path.replace(/^[/\\]+/, "/"),
    "set-cookie": tokenCookie(linkToken, seconds),
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
  })
  response.end()
}
