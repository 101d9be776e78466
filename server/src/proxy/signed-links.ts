import { createHmac, timingSafeEqual } from "node:crypto"
import type { Clock } from "../clock.js"

/** What a link is for. The number of a sandbox is never given again, so a link does not outlive its sandbox. */
export interface LinkTarget {
  sandboxId: number
  port: number
}

/** The seconds since 1970 at which it expires, and a signature over that and what it is for. */
const tokenPattern = /^([1-9][0-9]{0,11})\.([A-Za-z0-9_-]{43})$/

/** Makes and checks the tokens that let their bearer reach one port of one sandbox for a while. */
export class SignedLinks {
  readonly #key: Uint8Array
  readonly #now: Clock

  /** @param key A secret, see `linkKey`. */
  constructor(key: Uint8Array, now: Clock) {
    this.#key = key
    this.#now = now
  }

  /** @param seconds How long it is good for; at least until the full second. */
  sign(target: LinkTarget, seconds: number): { token: string; expiresAt: Date } {
    const expires = Math.ceil(this.#now() / 1000 + seconds)
    const token = `${expires}.${this.#signature(target, expires).toString("base64url")}`
    return { token, expiresAt: new Date(expires * 1000) }
  }

  /** For how many seconds more a token lets its bearer in; undefined when it does not. */
  secondsLeft(target: LinkTarget, token: string): number | undefined {
    const [, expires, signature] = tokenPattern.exec(token) ?? []
    if (expires === undefined || signature === undefined) return undefined
    const genuine = timingSafeEqual(
      this.#signature(target, Number(expires)),
      Buffer.from(signature, "base64url"),
    )
    const left = Math.ceil(Number(expires) - this.#now() / 1000)
    return genuine && left > 0 ? left : undefined
  }

  #signature({ sandboxId, port }: LinkTarget, expires: number): Buffer {
    return createHmac("sha256", this.#key).update(`port-link ${sandboxId} ${port} ${expires}`).digest()
  }
}
