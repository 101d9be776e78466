import { timingSafeEqual } from "node:crypto"
import type { RouteAnswer } from "opensandbox/contract"
import type { Clock } from "../clock.js"
import { Failure } from "../failure.js"
import type { KeyStore } from "../store/key-store.js"
import type { KeyRole, KeyRow } from "../store/tables.js"
import { apiKeyPrefix, generateApiKey, hashApiKey } from "./api-key.js"
import { principalOf, type Principal } from "./principal.js"
import { parseSshPublicKey, sshFingerprint } from "./ssh-public-key.js"

export type KeyInfo = RouteAnswer<"listKeys">["keys"][number]
export type NewKey = RouteAnswer<"createKey">

export interface AddedSshKey {
  id: number
  /** The API key for which it stands. */
  key_id: number
  /** As `ssh-keygen -l` prints it. */
  fingerprint: string
  comment: string
}

/** Who may do what: makes, checks and revokes API keys, and knows which SSH keys stand for them. */
export class Keyring {
  readonly #store: KeyStore
  readonly #now: Clock

  constructor(store: KeyStore, now: Clock) {
    this.#store = store
    this.#now = now
  }

  /** Makes a key. The answer is the only place where it is ever shown. */
  async create(request: { name: string; role: KeyRole }): Promise<NewKey> {
    if (request.name === environmentKeyName) {
      throw new Failure(
        "invalid_request",
        `The name "${environmentKeyName}" is taken by OPENSANDBOX_API_KEY.`,
        {
          field: "name",
        },
      )
    }
    return this.#insert(generateApiKey(), request)
  }

  /** All keys that are not revoked, oldest first. */
  async list(): Promise<KeyInfo[]> {
    return (await this.#store.listLive()).map(keyInfo)
  }

  /** Ends a key at once, and the SSH keys that stand for it. Its sandboxes remain. Fails with `not_found`. */
  async revoke(id: number): Promise<void> {
    if (!(await this.#store.revoke(id, this.#now()))) throw noSuchKey(id)
  }

  /**
   * Lets the holder of an SSH key log in as the holder of an API key.
   * `publicKey` is one line of a `.pub` file. Fails with `invalid_request`, `not_found` or `already_exists`.
   */
  async addSshKey(request: { keyId: number; publicKey: string }): Promise<AddedSshKey> {
    const { fingerprint, text, comment } = parseSshPublicKey(request.publicKey)
    if ((await this.#store.findLive(request.keyId)) === undefined) throw noSuchKey(request.keyId)
    const id = await this.#store.insertSshKey({
      key_id: request.keyId,
      fingerprint,
      public_key: text,
      comment,
      created_at: this.#now(),
    })
    if (id === undefined) {
      throw new Failure("already_exists", `The SSH key ${fingerprint} already stands for an API key.`)
    }
    return { id, key_id: request.keyId, fingerprint, comment }
  }

  /** The principal behind an API key; undefined when it is unknown or revoked. */
  async authenticate(key: string): Promise<Principal | undefined> {
    const hash = hashApiKey(key)
    const row = await this.#store.findByHash(hash)
    if (row === undefined || !timingSafeEqual(row.hash, hash) || row.revoked_at !== null) return undefined
    return principalOf(row)
  }

  /**
   * The principal for whom an SSH key stands. `blob` is the public key as it goes over the wire; that the other side
   * holds the private one is for the caller to verify.
   */
  async identifySshKey(blob: Buffer): Promise<Principal | undefined> {
    const row = await this.#store.findLiveBySshKey(sshFingerprint(blob))
    return row && principalOf(row)
  }

  async isLive(keyId: number): Promise<boolean> {
    return (await this.#store.findLive(keyId)) !== undefined
  }

  /**
   * Accepts the value of OPENSANDBOX_API_KEY as an admin key, and no longer one that it had before.
   * `key` is empty when the variable is not set.
   */
  async adoptEnvironmentKey(key: string): Promise<void> {
    const hash = key === "" ? undefined : hashApiKey(key)
    for (const row of await this.#store.listLive()) {
      const outdated = hash === undefined || !row.hash.equals(hash)
      if (row.name === environmentKeyName && outdated) await this.revoke(row.id)
    }
    if (hash === undefined) return

    const asEnvironmentKey = { role: "admin", name: environmentKeyName } as const
    const known = await this.#store.findByHash(hash)
    if (known === undefined) await this.#insert(key, asEnvironmentKey)
    else if (known.revoked_at !== null || known.role !== "admin") {
      await this.#store.reinstate(known.id, asEnvironmentKey)
    }
  }

  /** Makes an admin key when there is none. */
  async ensureAdminKey(): Promise<NewKey | undefined> {
    if (await this.#store.hasLiveAdmin()) return undefined
    return this.create({ name: "admin", role: "admin" })
  }

  async #insert(key: string, { name, role }: { name: string; role: KeyRole }): Promise<NewKey> {
    const createdAt = this.#now()
    const id = await this.#store.insert({
      name,
      role,
      hash: hashApiKey(key),
      prefix: apiKeyPrefix(key),
      created_at: createdAt,
    })
    return { id, name, role, key, created_at: new Date(createdAt).toISOString() }
  }
}

const environmentKeyName = "environment"

function keyInfo({ id, name, role, prefix, created_at }: KeyRow): KeyInfo {
  return { id, name, role, prefix, created_at: new Date(created_at).toISOString() }
}

function noSuchKey(id: number): Failure {
  return new Failure("not_found", `There is no key ${id}; it may have been revoked.`)
}
