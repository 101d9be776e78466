import type { Socket } from "node:net"
import ssh2, { type Algorithms, type AuthContext, type Connection, type Session } from "ssh2"
import type { Logger } from "pino"
import { Failure } from "../failure.js"
import type { Keyring } from "../keys/keyring.js"
import type { Principal } from "../keys/principal.js"
import type { SandboxService } from "../sandboxes/sandbox-service.js"
import { authenticatedPrincipal } from "./authentication.js"
import { SshForwarding } from "./forwarding.js"
import { type OpenSession, SshSession } from "./session.js"

/** What an SSH port needs to know and to reach. */
export interface SshParts {
  /** In OpenSSH's format. */
  hostKey: string
  keyring: Keyring
  service: () => SandboxService
  log: Logger
}

/** The sandbox behind a port. */
export interface SshTarget {
  name: string
  ownerId: number
}

const loginGraceMs = 30_000
const maxLoginAttempts = 10
const maxSessions = 16
/** Twice what ssh2 offers a client to send ahead: only one that cheats has more waiting. */
const maxWaitingInput = 4 * 1024 * 1024

/** Nothing that is no longer thought safe, and no compression, which would let a few bytes become many. */
const algorithms: Algorithms = {
  kex: [
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
  ],
  hmac: ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512"],
  compress: ["none"],
}

/** One client of a sandbox's SSH port, from its first byte to its last. */
export class SshConnection {
  readonly #socket: Socket
  readonly #target: SshTarget
  readonly #parts: SshParts
  readonly #sessions = new Set<SshSession>()
  readonly #loginTimer: NodeJS.Timeout
  #forwarding: SshForwarding | undefined
  #attempts = 0
  #principal: Principal | undefined

  constructor(socket: Socket, target: SshTarget, parts: SshParts) {
    this.#socket = socket
    this.#target = target
    this.#parts = parts
    this.#loginTimer = setTimeout(() => socket.destroy(), loginGraceMs)
    socket.setNoDelay(true)
    // Each session may wait for the socket to drain, and ssh2 has listeners of its own.
    socket.setMaxListeners(2 * maxSessions)
    socket.on("close", () => {
      clearTimeout(this.#loginTimer)
      for (const session of this.#sessions) session.leave()
      this.#forwarding?.leave()
    })
    // A server of its own for each connection: that is how ssh2 tells which client belongs to which socket.
    const server = new ssh2.Server({ hostKeys: [parts.hostKey], algorithms: algorithms }, (client) => {
      this.#serve(client)
    })
    server.injectSocket(socket)
    socket.on("data", () => {
      for (const carrier of [...this.#sessions, ...(this.#forwarding ? [this.#forwarding] : [])]) {
        if (carrier.waitingInput > maxWaitingInput) socket.destroy()
      }
    })
  }

  get isLoggedIn(): boolean {
    return this.#principal !== undefined
  }

  #serve(client: Connection): void {
    // A broken or hostile client is its own trouble: ssh2 ends the connection.
    client.on("error", () => undefined)
    client.on("authentication", (attempt) => {
      void this.#login(client, attempt)
    })
    client.on("session", (accept, reject) => {
      if (this.#sessions.size < maxSessions) this.#startSession(accept())
      else reject()
    })
    this.#forwarding = new SshForwarding(client, this.#socket, {
      connect: async (address) => {
        const { ownerId } = await this.#livePrincipal()
        return this.#parts.service().connect(ownerId, this.#target.name, address)
      },
      listen: async (address, onConnection) => {
        const { ownerId } = await this.#livePrincipal()
        return this.#parts.service().listen(ownerId, this.#target.name, address, onConnection)
      },
    })
  }

  async #login(client: Connection, attempt: AuthContext): Promise<void> {
    if (this.#attempts >= maxLoginAttempts) return
    // Clients begin with "none" to learn what methods there are.
    if (attempt.method !== "none") this.#attempts++
    const principal = await this.#owner(attempt)
    if (principal === undefined) {
      attempt.reject(["publickey", "password"])
      if (this.#attempts >= maxLoginAttempts) {
        client.end()
        this.#socket.destroySoon()
      }
      return
    }
    const isQuestion = attempt.method === "publickey" && attempt.signature === undefined
    if (!isQuestion) {
      this.#principal = principal
      clearTimeout(this.#loginTimer)
    }
    attempt.accept()
  }

  async #owner(attempt: AuthContext): Promise<Principal | undefined> {
    try {
      const principal = await authenticatedPrincipal(this.#parts.keyring, attempt)
      return principal?.ownerId === this.#target.ownerId ? principal : undefined
    } catch (error) {
      this.#parts.log.error({ err: error }, "an SSH login met an unexpected error")
      return undefined
    }
  }

  #startSession(channel: Session): void {
    const session = new SshSession(this.#socket, this.#open, (error) => {
      this.#parts.log.error(
        { err: error, sandbox: this.#target.name },
        "an SSH session met an unexpected error",
      )
    })
    this.#sessions.add(session)
    channel.on("close", () => this.#sessions.delete(session))
    session.serve(channel)
  }

  readonly #open: OpenSession = async (request, handlers) => {
    const { ownerId } = await this.#livePrincipal()
    return this.#parts.service().openSession(ownerId, this.#target.name, request, handlers)
  }

  /** Who is logged in. Fails when its key was revoked since: it starts nothing more. */
  async #livePrincipal(): Promise<Principal> {
    const principal = this.#principal
    if (principal === undefined || !(await this.#parts.keyring.isLive(principal.keyId))) {
      throw new Failure("unauthorized", "The API key of this connection is revoked.")
    }
    return principal
  }
}
