/**
 * Cuts a byte stream into lines. QEMU speaks one JSON document a line; a machine that was taken over could send
 * a line without end, so its length is bounded.
 */
export class LineSplitter {
  #rest = ""
  readonly #longest: number

  /** @param longest Characters a line may have. */
  constructor(longest: number) {
    this.#longest = longest
  }

  /** @throws RangeError when a line is longer than allowed. */
  push(text: string): string[] {
    const lines = (this.#rest + text).split("\n")
    this.#rest = lines.pop() ?? ""
    if (this.#rest.length > this.#longest || lines.some((line) => line.length > this.#longest)) {
      throw new RangeError(`a line is longer than ${this.#longest} characters`)
    }
    return lines
  }
}
