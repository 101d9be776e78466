import { DeadlineError } from "../deadline.js"
import { Patience } from "../patience.js"
import type { OutputHandler } from "./output-channel.js"

/** A request's output as a stream that its reader paces: what it has not taken is held back in the guest. */
export class OutputStream {
  readonly content: ReadableStream<Uint8Array>
  #controller!: ReadableStreamDefaultController<Uint8Array>
  readonly #patience: Patience
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
    this.#patience = new Patience(patienceMs, () => {
      this.end(new DeadlineError(`the rest of the output did not come within ${patienceMs} ms`))
      cancel()
    })
    this.content = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller
        },
        pull: () => this.#pull(),
        cancel: () => {
          this.#finish()
          cancel()
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
    this.#patience.wait()
    const came = new Promise<void>((resolve) => {
      this.#came = () => {
        this.#patience.rest()
        resolve()
      }
    })
    this.#taken()
    return came
  }

  #finish(): void {
    this.#over = true
    this.#patience.end()
    this.#taken()
    this.#came()
  }
}
