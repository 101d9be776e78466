import type { RouteAnswer } from "opensandbox/contract"
import { Failure } from "../failure.js"
import type { Keyring } from "../keys/keyring.js"
import type { SandboxService } from "../sandboxes/sandbox-service.js"
import { asFailure } from "../storage/storage-failure.js"
import type { PortStore } from "../store/port-store.js"
import type { Credentials } from "./credentials.js"
import type { PortHost } from "./port-host.js"
import type { SignedLinks } from "./signed-links.js"

type Port = RouteAnswer<"setPort">
type Link = RouteAnswer<"createPortLink">

interface PortAccessParts {
  service: () => Pick<SandboxService, "identify">
  keyring: Pick<Keyring, "authenticate">
  store: PortStore
  links: SignedLinks
}

/** Someone who was let in. */
export interface Visitor {
  /** Who owns the sandbox. */
  owner: number
  /** For how many seconds the token in the link lets in; undefined where something else did. */
  linkSeconds?: number
}

/** Who may reach which ports of sandboxes: the owner's key, the bearer of a signed link, or everybody. */
export class PortAccess {
  readonly #parts: PortAccessParts

  constructor(parts: PortAccessParts) {
    this.#parts = parts
  }

  /** The ports of an owner's sandbox that are public. Fails with `not_found`. */
  async list(owner: number, name: string): Promise<Port[]> {
    const ports = await this.#parts.store.publicPorts(this.#own(owner, name))
    return ports.map((port) => ({ port, public: true }))
  }

  /** Opens a port to everybody, or no longer. Fails with `not_found`. */
  async setPublic(owner: number, name: string, port: number, isPublic: boolean): Promise<Port> {
    await this.#parts.store.setPublic(this.#own(owner, name), port, isPublic).catch((error: unknown) => {
      throw asFailure(error)
    })
    return { port, public: isPublic }
  }

  /** Fails with `not_found`. */
  link(owner: number, name: string, port: number, seconds: number): Link {
    const { token, expiresAt } = this.#parts.links.sign({ sandboxId: this.#own(owner, name), port }, seconds)
    return { token, expires_at: expiresAt.toISOString() }
  }

  /**
   * Lets someone in or not. Fails with `unauthorized`, which does not tell whether there is such a sandbox, and with
   * `not_found` for the holder of a key.
   */
  async admit({ name, port }: PortHost, credentials: Credentials): Promise<Visitor> {
    const { service, keyring, store, links } = this.#parts
    const { key, linkToken, cookieTokens } = credentials
    if (key !== undefined) {
      const principal = await keyring.authenticate(key)
      if (principal === undefined) throw new Failure("unauthorized", "This API key is unknown or revoked.")
      this.#own(principal.ownerId, name)
      return { owner: principal.ownerId }
    }
    const sandbox = service().identify(name)
    if (sandbox === undefined) throw notLetIn()
    const { id: sandboxId, owner } = sandbox
    if (linkToken !== undefined) {
      const linkSeconds = links.secondsLeft({ sandboxId, port }, linkToken)
      if (linkSeconds !== undefined) return { owner, linkSeconds }
    }
    const known = cookieTokens.some((token) => links.secondsLeft({ sandboxId, port }, token) !== undefined)
    if (known || (await store.isPublic(sandboxId, port))) return { owner }
    throw notLetIn()
  }

  #own(owner: number, name: string): number {
    const sandbox = this.#parts.service().identify(name)
    if (sandbox?.owner === owner) return sandbox.id
    throw new Failure("not_found", `There is no sandbox "${name}".`)
  }
}

function notLetIn(): Failure {
  return new Failure(
    "unauthorized",
    "This port is not public, and no link that is good for it was used. Send the API key in the header x-api-key, or " +
      'ask the owner of the sandbox for a link: "opensandbox port NAME PORT --expires 3600" prints one.',
  )
}
