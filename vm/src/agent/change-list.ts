import type { ChangedPath } from "./changed-path.js"
import { ProtocolError } from "./errors.js"
import { change } from "./messages.js"

/** A line has a path and two targets at most, and each of their characters takes up to six. */
const longestLine = 128 * 1024

const lineFeed = 0x0a

/** Puts the changes together that an agent sends as lines of JSON. */
export class ChangeList {
  readonly changes: ChangedPath[] = []
  readonly #limit: number
  /** The beginning of a line. */
  #rest: Buffer = Buffer.alloc(0)

  /** @param limit The most changes that may come. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** @throws ProtocolError at what is no change, or one too many. */
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
    if (this.changes.length === this.#limit) throw new ProtocolError("more changes than were asked for")
    this.changes.push(parseChange(line))
  }
}

function parseChange(line: string): ChangedPath {
  try {
    return change.parse(JSON.parse(line))
  } catch {
    throw new ProtocolError("a change that is none")
  }
}
