import type { Alarms } from "./alarms.js"

/** What is paused when nothing has happened for long enough. */
interface Sleeper {
  /** Pauses it. Does nothing when it does not run, or `Idleness.isLongEnough` denies it by then. */
  pause: () => Promise<void>
  /** Is told why it could not be paused. It is tried again after as much time. */
  failed: (error: unknown) => void
}

/** Knows whether anything is going on in a sandbox, and has it paused when nothing was for a while. */
export class Idleness {
  readonly #alarms: Alarms
  readonly #sleeper: Sleeper
  readonly #ring = () => {
    void this.#sleep()
  }
  #timeoutMs: number | null
  #activities = 0
  #since: number
  #ended = false

  /** @param timeoutMs How long nothing may happen; null for ever. It begins now. */
  constructor(alarms: Alarms, timeoutMs: number | null, sleeper: Sleeper) {
    this.#alarms = alarms
    this.#sleeper = sleeper
    this.#timeoutMs = timeoutMs
    this.#since = alarms.now
    this.#setAlarm()
  }

  /** Whether nothing is going on, and was for the whole time. */
  get isLongEnough(): boolean {
    if (this.#activities > 0 || this.#timeoutMs === null) return false
    return this.#alarms.now >= this.#since + this.#timeoutMs
  }

  /** Something that keeps the sandbox awake begins. The answer says that it is over; only its first call counts. */
  begin(): () => void {
    this.#activities += 1
    this.#alarms.clear(this.#ring)
    let over = false
    return () => {
      if (over) return
      over = true
      this.#activities -= 1
      this.#since = this.#alarms.now
      if (this.#activities === 0) this.#setAlarm()
    }
  }

  /** @param timeoutMs As in the constructor; it counts from when the last activity ended. */
  setTimeout(timeoutMs: number | null): void {
    this.#timeoutMs = timeoutMs
    this.#alarms.clear(this.#ring)
    if (this.#activities === 0) this.#setAlarm()
  }

  /** Has nothing paused any more. */
  end(): void {
    this.#ended = true
    this.#alarms.clear(this.#ring)
  }

  #setAlarm(from = this.#since): void {
    if (this.#timeoutMs !== null && !this.#ended) this.#alarms.set(this.#ring, from + this.#timeoutMs)
  }

  async #sleep(): Promise<void> {
    try {
      await this.#sleeper.pause()
    } catch (error) {
      if (this.#ended) return
      this.#sleeper.failed(error)
      if (this.#activities === 0) this.#setAlarm(this.#alarms.now)
    }
  }
}
