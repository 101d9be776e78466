/**
 * Bounds waits that follow one another fast, such as those for the pieces of a download. Its timer begins anew with each wait and
 * is left running between two, where nobody heeds it: to make a timer for each piece costs more than the piece.
 */
export class Patience {
  readonly #milliseconds: number
  readonly #lost: () => void
  #timer: NodeJS.Timeout | undefined
  #waiting = false

  /**
   * @param milliseconds How long each wait may take.
   * @param lost Is called when one takes longer.
   */
  constructor(milliseconds: number, lost: () => void) {
    this.#milliseconds = milliseconds
    this.#lost = lost
  }

  /** Begins a wait. */
  wait(): void {
    this.#waiting = true
    this.#timer = this.#timer?.refresh() ?? setTimeout(this.#fire, this.#milliseconds)
  }

  /** Ends the wait; others may follow. */
  rest(): void {
    this.#waiting = false
  }

  /** Ends the last wait. */
  end(): void {
    this.rest()
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  readonly #fire = () => {
    this.#timer = undefined
    if (this.#waiting) this.#lost()
  }
}
