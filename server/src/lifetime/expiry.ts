import type { Alarms } from "./alarms.js"

/** How long is waited before a destruction that failed is tried again, in milliseconds. */
const againMs = 60_000

/** What is destroyed when its time is over. */
interface Mortal {
  destroy: () => Promise<void>
  /** Is told why it could not be destroyed. It is tried again. */
  failed: (error: unknown) => void
}

/** Has a sandbox destroyed when its time is over. */
export class Expiry {
  readonly #alarms: Alarms
  readonly #mortal: Mortal
  readonly #ring = () => {
    void this.#expire()
  }
  #at: number | null
  #ended = false

  /** @param at When its time is over, in Unix milliseconds; null is never. */
  constructor(alarms: Alarms, at: number | null, mortal: Mortal) {
    this.#alarms = alarms
    this.#mortal = mortal
    this.#at = at
    if (at !== null) alarms.set(this.#ring, at)
  }

  get at(): number | null {
    return this.#at
  }

  set(at: number | null): void {
    this.#at = at
    if (at === null || this.#ended) this.#alarms.clear(this.#ring)
    else this.#alarms.set(this.#ring, at)
  }

  /** Has nothing destroyed any more. */
  end(): void {
    this.#ended = true
    this.#alarms.clear(this.#ring)
  }

  async #expire(): Promise<void> {
    try {
      await this.#mortal.destroy()
    } catch (error) {
      if (this.#ended) return
      this.#mortal.failed(error)
      // It may have got more time meanwhile.
      if (this.#at !== null) this.#alarms.set(this.#ring, Math.max(this.#at, this.#alarms.now + againMs))
    }
  }
}
