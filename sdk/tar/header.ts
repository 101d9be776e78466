import { bytesOf } from "./bytes.js"
import { blockBytes, paddingOf, typeFlags, type TarEntry } from "./entry.js"

const nameBytes = 100

/** The largest size that a header's own field can hold. */
const maxOctalSize = 0o77777777777

/**
 * The blocks before a file's content: a header, and one of pax before it for what the first cannot say. Everything belongs
 * to root.
 */
export function headerOf(entry: TarEntry): Uint8Array<ArrayBuffer> {
  const records = [
    ...(fits(entry.path) ? [] : [record("path", entry.path)]),
    ...(fits(entry.target) ? [] : [record("linkpath", entry.target)]),
    ...(entry.size <= maxOctalSize ? [] : [record("size", String(entry.size))]),
    ...(Number.isInteger(entry.mtime) && entry.mtime >= 0 ? [] : [record("mtime", entry.mtime.toFixed(6))]),
  ].join("")
  const own = block(entry, typeFlags[entry.type])
  if (records === "") return own
  const extended = block({ ...entry, path: "pax", target: "", size: records.length, mode: 0o644 }, "x")
  const blocks = new Uint8Array(2 * blockBytes + records.length + paddingOf(records.length))
  blocks.set(extended)
  blocks.set(bytesOf(records), blockBytes)
  blocks.set(own, blocks.length - blockBytes)
  return blocks
}

const fits = (text: string) => text.length <= nameBytes && /^[\x20-\x7e]*$/.test(text)

/** A pax record begins with its own length, which counts its own digits. */
function record(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`
  let length = rest.length + 1
  while (String(length).length + rest.length !== length) length += 1
  return `${length}${rest}`
}

function block({ path, mode, size, mtime, target }: TarEntry, flag: string): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(blockBytes)
  const put = (at: number, text: string) => {
    header.set(bytesOf(text), at)
  }
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, "0")
  put(0, path.slice(0, nameBytes))
  put(100, octal(mode, 7))
  put(108, octal(0, 7))
  put(116, octal(0, 7))
  put(124, octal(Math.min(size, maxOctalSize), 11))
  put(136, octal(Math.max(0, Math.floor(mtime)), 11))
  put(148, " ".repeat(8))
  put(156, flag)
  put(157, target.slice(0, nameBytes))
  put(257, "ustar\x0000")
  put(148, `${octal(checksum(header), 6)}\0 `)
  return header
}

/** The sum of a header's bytes, with blanks in the place of the sum itself. */
export const checksum = (header: Uint8Array): number =>
  header.reduce((sum, byte, at) => sum + (at >= 148 && at < 156 ? 0x20 : byte), 0)
