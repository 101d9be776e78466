/** How much output is kept for a reader that is behind, in bytes. */
const keptBytes = 8 * 1024 * 1024

/** What listens to output. */
export type OutputListener = (chunk: Uint8Array<ArrayBuffer>) => void

/**
 * A terminal's output on its way to whoever reads it: to listeners at once, and kept where there are none. A listener is
 * never called before `listen` has returned what ends it.
 */
export class TerminalOutput {
  readonly #listeners = new Set<OutputListener>()
  #kept: Uint8Array<ArrayBuffer>[] = []
  #keptLength = 0
  #over = false
  #wake: (() => void)[] = []

  push(chunk: Uint8Array<ArrayBuffer>): void {
    if (this.#listeners.size > 0 && this.#kept.length === 0) {
      this.#tell(chunk)
      return
    }
    this.#kept.push(chunk)
    this.#keptLength += chunk.length
    while (this.#keptLength > keptBytes) this.#take()
    this.#wakeAll()
  }

  /** Nothing more comes. */
  end(): void {
    this.#over = true
    this.#wakeAll()
  }

  /** Calls `listener` with what was kept and with all that comes; the answer ends that. */
  listen(listener: OutputListener): () => void {
    this.#listeners.add(listener)
    if (this.#kept.length > 0) {
      queueMicrotask(() => {
        this.#tellKept()
      })
    }
    return () => {
      this.#listeners.delete(listener)
    }
  }

  async *chunks(): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
    for (;;) {
      const chunk = this.#take()
      if (chunk !== undefined) yield chunk
      else if (this.#over) return
      else {
        await new Promise<void>((resolve) => {
          this.#wake.push(resolve)
        })
      }
    }
  }

  #tell(chunk: Uint8Array<ArrayBuffer>): void {
    for (const listener of this.#listeners) listener(chunk)
  }

  /** Gives listeners what was kept. What is left when they have enough is for the next reader. */
  #tellKept(): void {
    while (this.#listeners.size > 0) {
      const chunk = this.#take()
      if (chunk === undefined) return
      this.#tell(chunk)
    }
    this.#wakeAll()
  }

  #take(): Uint8Array<ArrayBuffer> | undefined {
    const chunk = this.#kept.shift()
    this.#keptLength -= chunk?.length ?? 0
    return chunk
  }

  #wakeAll(): void {
    for (const wake of this.#wake) wake()
    this.#wake = []
  }
}
