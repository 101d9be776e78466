/** A snapshot that the server acknowledged, and the hash of the workspace that it must hold. */
export interface Entry {
  readonly name: string
  /** undefined when the answer that would have told it was lost in a crash. */
  readonly hash: string | undefined
}

/**
 * What a sandbox's caller was promised. While a request is under way, and after a crash in the middle of one, two
 * histories are right: the one without its effect, and the one with it.
 */
export class Ledger {
  #entries: Entry[]
  /** The restore whose answer is due; a run whose answer is due may have left one snapshot more. */
  #restoringTo: string | undefined
  #running = false

  constructor(initial: Entry) {
    this.#entries = [initial]
  }

  get entries(): readonly Entry[] {
    return this.#entries
  }

  beginRun(): void {
    this.#running = true
  }

  ran(entry: Entry): void {
    this.#running = false
    this.#entries.push(entry)
  }

  beginRestore(name: string): void {
    this.#restoringTo = name
  }

  restored(): void {
    this.#entries = this.#upTo(this.#restoringTo)
    this.#restoringTo = undefined
  }

  /** The request under way had no effect, or none that a snapshot shows. */
  settled(): void {
    this.#running = false
    this.#restoringTo = undefined
  }

  /**
   * Compares what the server lists after a crash with the histories that are right, and goes on from what it is.
   *
   * @throws Error when an acknowledged snapshot is missing, or there is one too many.
   */
  reconcile(listed: readonly string[]): void {
    const kept = this.#entries.map(({ name }) => name)
    const back = this.#upTo(this.#restoringTo)
    if (
      this.#restoringTo !== undefined &&
      same(
        listed,
        back.map(({ name }) => name),
      )
    ) {
      this.#entries = back
    } else {
      const more = listed.slice(kept.length)
      if (!same(listed.slice(0, kept.length), kept) || more.length > (this.#running ? 1 : 0)) {
        throw new Error(`the server lists ${listed.join(" ")}; it had acknowledged ${kept.join(" ")}`)
      }
      this.#entries.push(...more.map((name) => ({ name, hash: undefined })))
    }
    this.settled()
  }

  #upTo(name: string | undefined): Entry[] {
    return this.#entries.slice(0, this.#entries.findIndex((entry) => entry.name === name) + 1)
  }
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, at) => name === b[at])
}
