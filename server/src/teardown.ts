type Undo = () => unknown

/** Undoes what was set up, last first, once; an undoing that fails does not keep the others from happening. */
export class Teardown {
  readonly #undos: Undo[] = []
  #running: Promise<void> | undefined

  add(undo: Undo): void {
    this.#undos.push(undo)
  }

  /** @throws an AggregateError of all that failed. */
  run(): Promise<void> {
    this.#running ??= this.#undoAll()
    return this.#running
  }

  async #undoAll(): Promise<void> {
    const failures: unknown[] = []
    for (const undo of this.#undos.reverse()) {
      try {
        await undo()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, "Not everything could be shut down.")
  }
}
