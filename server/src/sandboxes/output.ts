/**
 * Collects what a command prints, up to a bound. What comes after the bound is counted as cut and thrown away: the
 * command goes on, and the server's memory does not grow.
 */
export class Output {
  readonly #chunks: Uint8Array[] = []
  #room: number
  #truncated = false

  /** @param limit Bytes to keep. */
  constructor(limit: number) {
    this.#room = limit
  }

  add(chunk: Uint8Array): void {
    // A copy, because the chunk is a view of a receive buffer that is much larger.
    if (this.#room > 0) this.#chunks.push(Uint8Array.from(chunk.subarray(0, this.#room)))
    if (chunk.length > this.#room) this.#truncated = true
    this.#room = Math.max(0, this.#room - chunk.length)
  }

  /** Whether something was cut off. */
  get truncated(): boolean {
    return this.#truncated
  }

  /** The bytes as an answer has them. */
  encoded(encoding: "utf8" | "base64"): string {
    return encoding === "utf8" ? this.text() : Buffer.concat(this.#chunks).toString("base64")
  }

  /** The text as UTF-8; a character that the bound has cut in two is left out, bytes that are no UTF-8 become U+FFFD. */
  text(): string {
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true })
    return decoder.decode(Buffer.concat(this.#chunks), { stream: this.#truncated })
  }
}
