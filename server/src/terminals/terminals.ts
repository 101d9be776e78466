import type { IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import type { RouteAnswer, RouteBody } from "opensandbox/contract"
import type { Logger } from "pino"
import { WebSocketServer } from "ws"
import type { Clock } from "../clock.js"
import { Failure } from "../failure.js"
import { refuseUpgrade } from "../http/refuse-upgrade.js"
import type { Keyring } from "../keys/keyring.js"
import type { Principal } from "../keys/principal.js"
import type { SandboxService, SessionRequest } from "../sandboxes/sandbox-service.js"
import { TerminalConnection } from "./terminal-connection.js"
import { Tickets } from "./tickets.js"

type TerminalRequest = RouteBody<"openTerminal">

/** The longest message that a client may send, in bytes. */
const maxMessageBytes = 1024 * 1024

/** What one ticket admits to. */
interface Admission {
  principal: Principal
  request: SessionRequest
}

interface TerminalParts {
  service: () => SandboxService
  keyring: Keyring
  log: Logger
  now: Clock
}

/** The terminals that are spoken to over WebSockets: first a request with a key brings a ticket, then that opens one. */
export class Terminals {
  readonly #parts: TerminalParts
  readonly #tickets: Tickets<Admission>
  readonly #webSockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: maxMessageBytes,
  })

  constructor(parts: TerminalParts) {
    this.#parts = parts
    this.#tickets = new Tickets(parts.now)
  }

  /** Fails with `not_found`, `limit_reached`. */
  async admit(
    principal: Principal,
    name: string,
    request: TerminalRequest,
  ): Promise<RouteAnswer<"openTerminal">> {
    // What can be known to fail is told here: a browser does not say why a WebSocket was refused.
    await this.#parts.service().info(principal.ownerId, name)
    const { text, expiresAt } = this.#tickets.issue(name, { principal, request: sessionOf(request) })
    return { ticket: text, expires_at: new Date(expiresAt).toISOString() }
  }

  /** Opens the terminal that a request to upgrade has a ticket for. Whatever else asks is refused. */
  async upgrade(
    name: string,
    ticket: string,
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
  ): Promise<void> {
    const admission = this.#tickets.redeem(ticket, name)
    try {
      if (admission === undefined || !(await this.#parts.keyring.isLive(admission.principal.keyId))) {
        throw new Failure(
          "unauthorized",
          `This ticket opens no terminal: ask for one with POST /vms/${name}/terminal, and use it once within 30 seconds.`,
        )
      }
    } catch (error) {
      refuseUpgrade(socket, error, this.#parts.log)
      return
    }
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      const connection = new TerminalConnection(webSocket, this.#parts.log)
      void connection.serve((handlers) =>
        this.#parts.service().openSession(admission.principal.ownerId, name, admission.request, handlers),
      )
    })
  }
}

function sessionOf({ cols, rows, term, shell, command, cwd, user, env }: TerminalRequest): SessionRequest {
  const line = shell === undefined ? command : shellLine(shell, command)
  return {
    pty: { cols, rows, term },
    ...(line !== undefined && { command: line, recordAs: command ?? shell ?? line }),
    ...(cwd !== undefined && { cwd }),
    ...(user !== undefined && { user }),
    ...(env !== undefined && { env }),
  }
}

/** A command that becomes another shell, which reads its input, or runs a command. */
function shellLine(shell: string, command: string | undefined): string {
  return `exec ${quoted(shell)}${command === undefined ? "" : ` -c ${quoted(command)}`}`
}

const quoted = (word: string) => `'${word.replaceAll("'", String.raw`'\''`)}'`
