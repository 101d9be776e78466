/** The stream ended before what was asked for was there. */
export class TruncatedError extends Error {
  override name = "TruncatedError"
}

/** Reads a stream piece by piece, only as far as it is asked to. */
export class ByteReader {
  readonly #source: AsyncIterator<Buffer>
  #rest: Buffer = Buffer.alloc(0)

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /**
   * A number of bytes in one piece, so a small number.
   *
   * @throws TruncatedError
   */
  async exactly(bytes: number): Promise<Buffer> {
    const pieces = []
    for await (const piece of this.pieces(bytes)) pieces.push(piece)
    return Buffer.concat(pieces)
  }

  /**
   * A number of bytes as they come.
   *
   * @throws TruncatedError
   */
  async *pieces(bytes: number): AsyncGenerator<Buffer, void, undefined> {
    for (let left = bytes; left > 0;) {
      if (!(await this.#fill())) throw new TruncatedError("the stream ended too early")
      const piece = this.#rest.subarray(0, left)
      this.#rest = this.#rest.subarray(piece.length)
      left -= piece.length
      yield piece
    }
  }

  /** Whether there is nothing more. */
  async atEnd(): Promise<boolean> {
    return !(await this.#fill())
  }

  /** @returns false at the end of the stream. */
  async #fill(): Promise<boolean> {
    while (this.#rest.length === 0) {
      const next = await this.#source.next()
      if (next.done === true) return false
      this.#rest = next.value
    }
    return true
  }
}
