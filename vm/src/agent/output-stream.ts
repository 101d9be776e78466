import { DeadlineError } from "../deadline.js"
import type { OutputHandler } from "./output-channel.js"

/** A request's output as a stream that its reader paces: what it has not taken is held back in the guest. */
export class OutputStream {
  readonly content: ReadableStream<Uint8Array>
  #controller!: ReadableStreamDefaultController<Uint8Array>
  readonly #patienceMs: number
  readonly #cancel: () => void
  /** Begins anew with each wait, and goes on through what comes: to make one for each piece costs more than the piece. */
  #timer: NodeJS.Timeout | undefined
  #waiting = false
  #over = false
  /** Lets the guest send more than what was taken. */
  #taken: () => void = () => undefined
  /** Ends the wait for what the reader wants. */
  #came: () => void = () => undefined

  /**
   * @param patienceMs How long the guest may send nothing while the reader waits; then the stream fails.
   * @param cancel Is called when nobody wants the rest.
   */
  constructor(patienceMs: number, cancel: () => void) {
    this.#patienceMs = patienceMs
    this.#cancel = cancel
    this.content = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller
        },
        pull: () => this.#pull(),
        cancel: () => {
          this.#finish()
          this.#cancel()
        },
      },
      { highWaterMark: 0 },
    )
  }

  /** Takes a piece of the output. Its promise settles when the reader wants the next one. */
  readonly push: OutputHandler = (chunk) => {
    if (this.#over) return
    this.#controller.enqueue(chunk)
    this.#came()
    return new Promise<void>((resolve) => {
      this.#taken = resolve
    })
  }

  /** Ends the stream: in order, or with an error. */
  end(error?: unknown): void {
    if (this.#over) return
    this.#finish()
    if (error === undefined) this.#controller.close()
    else this.#controller.error(error)
  }

  #pull(): Promise<void> {
    this.#waiting = true
    this.#timer = this.#timer?.refresh() ?? setTimeout(this.#tooLate, this.#patienceMs)
    const came = new Promise<void>((resolve) => {
      this.#came = () => {
        this.#waiting = false
        resolve()
      }
    })
    this.#taken()
    return came
  }

  readonly #tooLate = () => {
    this.#timer = undefined
    if (!this.#waiting) return
    this.end(new DeadlineError(`the rest of the output did not come within ${this.#patienceMs} ms`))
    this.#cancel()
  }

  #finish(): void {
    this.#over = true
    clearTimeout(this.#timer)
    this.#taken()
    this.#came()
  }
}
