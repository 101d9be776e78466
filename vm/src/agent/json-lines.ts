import type { z } from "zod"
import { ProtocolError } from "./errors.js"

/** A line has a path and two targets at most, and each of their characters takes up to six. */
const longestLine = 128 * 1024

const lineFeed = 0x0a

/** Puts together what an agent lists as lines of JSON. */
export class JsonLines<Item> {
  readonly items: Item[] = []
  readonly #item: z.ZodType<Item>
  readonly #limit: number
  /** The beginning of a line. */
  #rest: Buffer = Buffer.alloc(0)

  /**
   * @param item What each line has to be.
   * @param limit The most lines that may come.
   */
  constructor(item: z.ZodType<Item>, limit: number) {
    this.#item = item
    this.#limit = limit
  }

  /** @throws ProtocolError at what is no such item, or one too many. */
  push(bytes: Uint8Array): void {
    const text = Buffer.concat([this.#rest, bytes])
    let start = 0
    for (let end = text.indexOf(lineFeed); end >= 0; end = text.indexOf(lineFeed, start)) {
      this.#add(text.toString("utf8", start, end))
      start = end + 1
    }
    this.#rest = text.subarray(start)
    if (this.#rest.length > longestLine) throw new ProtocolError("a line without end")
  }

  #add(line: string): void {
    if (this.items.length === this.#limit) throw new ProtocolError("more lines than were asked for")
    this.items.push(this.#parse(line))
  }

  #parse(line: string): Item {
    try {
      return this.#item.parse(JSON.parse(line))
    } catch {
      throw new ProtocolError("a line that is not what was asked for")
    }
  }
}
