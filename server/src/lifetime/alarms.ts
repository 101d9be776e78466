import type { Clock } from "../clock.js"

/** How time passes. */
export interface Time {
  readonly now: Clock
  /** Calls back once, after so many milliseconds. The answer takes that back. It keeps no process from ending. */
  after(milliseconds: number, call: () => void): () => void
}

export const realTime: Time = {
  now: Date.now,
  after: (milliseconds, call) => {
    const timer = setTimeout(call, milliseconds)
    timer.unref()
    return () => {
      clearTimeout(timer)
    }
  },
}

/** How late an alarm may be when the host's clock was set or the host slept, in milliseconds. */
const longestWaitMs = 60_000

/** What an alarm does. It is also what the alarm is known by. */
type Ring = () => void

/** All that happens at a certain time of day, with one timer for all. */
export class Alarms {
  readonly #time: Time
  /** When each rings, in Unix milliseconds. */
  readonly #alarms = new Map<Ring, number>()
  #waiting: { until: number; cancel: () => void } | undefined
  #closed = false

  constructor(time: Time) {
    this.#time = time
  }

  get now(): number {
    return this.#time.now()
  }

  /** Calls `ring` once, at a time or soon after it; one that is set already is set anew. */
  set(ring: Ring, at: number): void {
    if (this.#closed) return
    this.#alarms.set(ring, at)
    this.#waitUntil(at)
  }

  clear(ring: Ring): void {
    // The timer may come in vain then, which costs less than to look for the next alarm now.
    this.#alarms.delete(ring)
  }

  /** Rings no more, whatever is set. */
  close(): void {
    this.#closed = true
    this.#alarms.clear()
    this.#waiting?.cancel()
    this.#waiting = undefined
  }

  #waitUntil(at: number): void {
    const until = Math.min(at, this.now + longestWaitMs)
    if (this.#waiting !== undefined && this.#waiting.until <= until) return
    this.#waiting?.cancel()
    const cancel = this.#time.after(Math.max(0, until - this.now), () => {
      this.#waiting = undefined
      this.#ringDue()
    })
    this.#waiting = { until, cancel }
  }

  #ringDue(): void {
    const { now } = this
    const due = [...this.#alarms].filter(([, at]) => at <= now).sort(([, a], [, b]) => a - b)
    for (const [ring, at] of due) {
      // Those before it may have set it anew, or cleared it.
      if (this.#alarms.get(ring) !== at) continue
      this.#alarms.delete(ring)
      ring()
    }
    if (this.#alarms.size > 0) this.#waitUntil(Math.min(...this.#alarms.values()))
  }
}
