import type { Time } from "../lifetime/alarms.js"

/** Time that passes when a test says so. */
export class FakeTime implements Time {
  #now: number
  readonly #timers = new Map<() => void, number>()

  /** @param now Unix milliseconds. */
  constructor(now = 0) {
    this.#now = now
  }

  readonly now = () => this.#now

  /** How many calls are due at some time. */
  get waiting(): number {
    return this.#timers.size
  }

  after(milliseconds: number, call: () => void): () => void {
    const own = () => {
      call()
    }
    this.#timers.set(own, this.#now + milliseconds)
    return () => {
      this.#timers.delete(own)
    }
  }

  /** Lets time pass; each call comes at its own time. */
  pass(milliseconds: number): void {
    const end = this.#now + milliseconds
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      const [call, at] = next
      this.#timers.delete(call)
      this.#now = Math.max(this.#now, at)
      call()
    }
    this.#now = end
  }

  /** Sets the clock, as people and time servers do: what is waited for takes as long as before. */
  setClock(now: number): void {
    const shift = now - this.#now
    this.#now = now
    for (const [call, at] of this.#timers) this.#timers.set(call, at + shift)
  }

  #next(end: number): [() => void, number] | undefined {
    const [first] = [...this.#timers].sort(([, a], [, b]) => a - b)
    return first !== undefined && first[1] <= end ? first : undefined
  }
}
