import { textOf } from "./bytes.js"
import { blockBytes, paddingOf, typeFlags, type TarEntry } from "./entry.js"
import { checksum } from "./header.js"

/** Longest extended header that is read: two paths and some numbers. */
const maxExtended = 64 * 1024

/** What came is no archive, or holds what none that is wanted here has. */
export class BadArchive extends Error {}

/** Reads an archive as it comes. */
export class TarReader {
  readonly #source: ReadableStreamDefaultReader<Uint8Array>
  #chunk: Uint8Array = new Uint8Array()
  /** What is left of the last entry's content, with its padding. */
  #content = 0
  #padding = 0

  constructor(archive: ReadableStream<Uint8Array>) {
    this.#source = archive.getReader()
  }

  /**
   * The next entry, whatever of the one before was not read; undefined at the archive's end.
   * @throws BadArchive, and what the archive's stream fails with
   */
  async next(): Promise<TarEntry | undefined> {
    await this.#skip()
    let records = new Map<string, string>()
    for (;;) {
      const header = await this.#exactly(blockBytes)
      if (header.every((byte) => byte === 0)) return this.#end()
      const flag = String.fromCharCode(header[156] ?? 0)
      const size = sizeOf(header)
      if (numberAt(header, 148, 8) !== checksum(header)) throw new BadArchive("a header is damaged")
      if (flag !== "x") return this.#entry(header, flag, size, records)
      if (size > maxExtended) throw new BadArchive("an extended header is too long")
      records = recordsOf(await this.#exactly(size + paddingOf(size)), size)
    }
  }

  /** Some of the entry's content; undefined at its end. */
  async read(): Promise<Uint8Array | undefined> {
    if (this.#content === 0) return undefined
    if (this.#chunk.length === 0) await this.#more()
    const piece = this.#chunk.subarray(0, this.#content)
    this.#chunk = this.#chunk.subarray(piece.length)
    this.#content -= piece.length
    return piece
  }

  /** Lets go of an archive that nobody wants to read on. */
  cancel(): void {
    this.#source.cancel().catch(() => undefined)
  }

  #entry(header: Uint8Array, flag: string, size: number, records: ReadonlyMap<string, string>): TarEntry {
    const type = Object.entries(typeFlags).find(([, known]) => known === flag)?.[0] as
      TarEntry["type"] | undefined
    if (type === undefined) throw new BadArchive(`an entry has the type "${flag}"`)
    const [bytes, mtime] = [
      Number(records.get("size") ?? size),
      Number(records.get("mtime") ?? numberAt(header, 136, 12)),
    ]
    if (!Number.isSafeInteger(bytes) || bytes < 0 || !Number.isFinite(mtime))
      throw new BadArchive("a header has a number that is none")
    this.#content = type === "file" ? bytes : 0
    this.#padding = paddingOf(this.#content)
    return {
      path: records.get("path") ?? nameOf(header),
      type,
      mode: numberAt(header, 100, 8) & 0o7777,
      size: this.#content,
      mtime,
      target: records.get("linkpath") ?? textAt(header, 157, 100),
    }
  }

  /** Reads to the stream's end, so that the connection is whole. */
  async #end(): Promise<undefined> {
    while (!(await this.#source.read()).done);
    return undefined
  }

  async #skip(): Promise<void> {
    while ((await this.read()) !== undefined);
    await this.#exactly(this.#padding)
    this.#padding = 0
  }

  async #exactly(length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length)
    for (let at = 0; at < length;) {
      if (this.#chunk.length === 0) await this.#more()
      const piece = this.#chunk.subarray(0, length - at)
      bytes.set(piece, at)
      this.#chunk = this.#chunk.subarray(piece.length)
      at += piece.length
    }
    return bytes
  }

  async #more(): Promise<void> {
    const { done, value } = await this.#source.read()
    if (done) throw new BadArchive("it ends too early")
    this.#chunk = value
  }
}

function textAt(header: Uint8Array, at: number, length: number): string {
  const [text = ""] = textOf(header.subarray(at, at + length)).split("\0", 1)
  return text
}

/** A header's own name for its file, of which a long one has its beginning in another field. */
function nameOf(header: Uint8Array): string {
  const prefix = textAt(header, 257, 6) === "ustar" ? textAt(header, 345, 155) : ""
  return `${prefix}${prefix === "" ? "" : "/"}${textAt(header, 0, 100)}`
}

/** A number in octal digits. @throws BadArchive */
function numberAt(header: Uint8Array, at: number, length: number): number {
  const text = textAt(header, at, length).trim()
  if (!/^[0-7]*$/.test(text)) throw new BadArchive("a header has a number that is none")
  return text === "" ? 0 : parseInt(text, 8)
}

const sizeOf = (header: Uint8Array) => numberAt(header, 124, 12)

/** The records of an extended header: each its length, a blank, a key, `=`, a value and a line feed. @throws BadArchive */
function recordsOf(block: Uint8Array, size: number): Map<string, string> {
  const records = new Map<string, string>()
  let rest = textOf(block.subarray(0, size))
  while (rest !== "") {
    const [, digits = ""] = /^(\d{1,6}) /.exec(rest) ?? []
    const line = rest.slice(digits.length + 1, Number(digits))
    const equals = line.indexOf("=")
    if (digits === "" || equals < 1 || !line.endsWith("\n"))
      throw new BadArchive("an extended header is damaged")
    records.set(line.slice(0, equals), line.slice(equals + 1, -1))
    rest = rest.slice(Number(digits))
  }
  return records
}
