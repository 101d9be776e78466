import { showByteSize } from "./byte-size.js"
import type { Context } from "./context.js"

/** Milliseconds before the first line and between two of them: a transfer that is over by then shows none. */
const intervalMs = 1000

/** How many characters a whole bar has. */
const barWidth = 24

/** Shows people who wait at a terminal how many bytes have passed, in one line that is written over. */
export class Progress {
  /** The bytes that there are in all, if that is known: with it a bar is shown. */
  total: number | undefined
  readonly #context: Pick<Context, "stderr" | "isTerminal" | "now">
  #bytes = 0
  #shownAt: number
  #width = 0

  constructor(context: Pick<Context, "stderr" | "isTerminal" | "now">, total?: number) {
    this.#context = context
    this.total = total
    this.#shownAt = context.now()
  }

  add(bytes: number): void {
    this.#bytes += bytes
    if (!this.#context.isTerminal.stderr || this.#context.now() - this.#shownAt < intervalMs) return
    this.#shownAt = this.#context.now()
    this.#write(this.#line())
  }

  /** Takes the line away, so that what is said next has a line of its own. */
  end(): void {
    if (this.#width === 0) return
    this.#write("")
    this.#context.stderr("\r")
  }

  #line(): string {
    if (this.total === undefined || this.total === 0) return showByteSize(this.#bytes)
    // What grew meanwhile may be more than was counted.
    const done = Math.min(1, this.#bytes / this.total)
    const bar = "=".repeat(Math.floor(done * barWidth)).padEnd(barWidth)
    const percent = `${Math.floor(done * 100)} %`.padStart(5)
    return `[${bar}] ${percent}  ${showByteSize(this.#bytes)} of ${showByteSize(this.total)}`
  }

  #write(text: string): void {
    this.#context.stderr(`\r${text.padEnd(this.#width)}`)
    this.#width = text.length
  }
}

/** Lets bytes pass, and shows how many. */
export function meter(progress: Progress): TransformStream<Uint8Array, Uint8Array> {
  return new TransformStream({
    transform(chunk, controller) {
      progress.add(chunk.byteLength)
      controller.enqueue(chunk)
    },
  })
}
