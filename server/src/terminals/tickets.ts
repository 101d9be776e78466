import { randomBytes } from "node:crypto"
import type { Clock } from "../clock.js"
import { Failure } from "../failure.js"

/** How long a ticket is good, in milliseconds. */
const lifetimeMs = 30_000

/** How many tickets of one sandbox may wait to be used. */
const maxWaiting = 64

export interface Ticket {
  text: string
  /** Unix milliseconds. */
  expiresAt: number
}

/**
 * Admissions to something, each good once and for half a minute: for callers that can send no key where they use it, as
 * browsers with a WebSocket.
 */
export class Tickets<Admission> {
  readonly #now: Clock
  /** By their texts, the oldest first. */
  readonly #waiting = new Map<string, { sandbox: string; admission: Admission; expiresAt: number }>()

  constructor(now: Clock) {
    this.#now = now
  }

  /** @throws Failure `limit_reached` when too many of the sandbox's tickets are not used yet. */
  issue(sandbox: string, admission: Admission): Ticket {
    this.#forgetExpired()
    const waiting = [...this.#waiting.values()].filter((ticket) => ticket.sandbox === sandbox)
    if (waiting.length >= maxWaiting) {
      throw new Failure(
        "limit_reached",
        `${maxWaiting} terminals of this sandbox were asked for and not opened: open them, or wait half a minute.`,
      )
    }
    const text = randomBytes(24).toString("base64url")
    const expiresAt = this.#now() + lifetimeMs
    this.#waiting.set(text, { sandbox, admission, expiresAt })
    return { text, expiresAt }
  }

  /** What a ticket of this sandbox admits to; undefined when there is no such ticket, or it was used or is too old. */
  redeem(text: string, sandbox: string): Admission | undefined {
    this.#forgetExpired()
    const ticket = this.#waiting.get(text)
    if (ticket?.sandbox !== sandbox) return undefined
    this.#waiting.delete(text)
    return ticket.admission
  }

  #forgetExpired(): void {
    for (const [text, { expiresAt }] of this.#waiting) {
      if (expiresAt > this.#now()) return
      this.#waiting.delete(text)
    }
  }
}
