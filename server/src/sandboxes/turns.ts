import PQueue from "p-queue"
import type { Failure } from "../failure.js"

/** The changes of one sandbox: one after the other, in the order of the calls, until it takes no more. */
export class Turns {
  readonly #queue = new PQueue({ concurrency: 1 })
  #over: Failure | undefined

  /** Whether no more are taken. */
  get over(): boolean {
    return this.#over !== undefined
  }

  /** Makes a change when its turn comes. @throws the reason why no more are taken, or what the change throws. */
  take<T>(change: () => Promise<T>): Promise<T> {
    return this.#queue.add(async () => {
      if (this.#over !== undefined) throw this.#over
      return change()
    })
  }

  /** Makes those fail that wait and those that come. */
  end(reason: Failure): void {
    this.#over = reason
  }

  /** Makes one last change after the end, when the one under way is done. */
  last<T>(change: () => Promise<T>): Promise<T> {
    return this.#queue.add(change)
  }
}
