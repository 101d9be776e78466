/** A wait for something to move; if it is over before it is renewed or ended, `signal` is aborted with what was missed. */
export class Patience {
  readonly #controller = new AbortController()
  #timer: ReturnType<typeof setTimeout> | undefined

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /**
   * Waits anew.
   * @param missed the text of the error that `signal` is aborted with
   */
  renew(milliseconds: number, missed: string): void {
    this.end()
    this.#timer = setTimeout(() => {
      this.#controller.abort(new Error(missed))
    }, milliseconds)
  }

  /** Gives up at once. */
  lose(reason: unknown): void {
    this.end()
    this.#controller.abort(reason)
  }

  /** Waits no more, until it is renewed. */
  end(): void {
    clearTimeout(this.#timer)
  }
}
