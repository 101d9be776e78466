import { Failure } from "../failure.js"

/** The requests that are being worked on, so that a server that stops answers every one of them. */
export class InFlight {
  /** One for each request: gives up on its work. */
  readonly #abandon = new Set<(failure: Failure) => void>()
  readonly #stop = new AbortController()
  #onIdle: (() => void) | undefined

  get stopping(): boolean {
    return this.#stop.signal.aborted
  }

  /** Aborted, with a `Failure` as its reason, when the server begins to stop. */
  get stopped(): AbortSignal {
    return this.#stop.signal
  }

  /** Does the work of a request. Fails with `unavailable` when the server stops before it is done. */
  async run<Result>(work: () => Result | Promise<Result>): Promise<Result> {
    if (this.stopping) throw stoppingFailure()
    let abandon: (failure: Failure) => void = () => undefined
    try {
      return await new Promise<Result>((resolve, reject) => {
        abandon = reject
        this.#abandon.add(abandon)
        Promise.resolve(work()).then(resolve, reject)
      })
    } finally {
      this.#abandon.delete(abandon)
      if (this.#abandon.size === 0) this.#onIdle?.()
    }
  }

  /** Admits no more requests, gives those under way `patienceMs` to end, then gives up on the rest. */
  async stop(patienceMs: number): Promise<void> {
    this.#stop.abort(stoppingFailure())
    if (this.#abandon.size === 0) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, patienceMs)
      this.#onIdle = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    for (const abandon of this.#abandon) abandon(stoppingFailure())
  }
}

function stoppingFailure(): Failure {
  return new Failure("unavailable", "The server is stopping; try again when it is back.")
}
