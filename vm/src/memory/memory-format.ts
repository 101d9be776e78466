import { z } from "zod"
import { isMemoryId } from "./memory.js"
import { hashBytes, pageBytes } from "./page.js"
import { PageIndex } from "./page-index.js"

// A memory's file, all numbers little endian:
//
//   magic            8 bytes, the format's version among them
//   header           u32 length, then JSON
//   pages            u32 each, in ascending order
//   hashes           16 bytes each, in the same order
//   devices          as QEMU wrote them, deflated
//   chunks           for every 256 pages that are not zero: u32 length, then their contents, deflated where shorter
//   checksum         SHA-256 of all that is before

const magic = Buffer.from("OSBXMEM\x01", "latin1")

/** Bytes before the header. */
export const prefixBytes = magic.length + 4

export const checksumBytes = 32

/** Pages whose contents are deflated together: a megabyte. */
export const chunkPages = 256

const longestHeader = 4096

/** Saved devices are a quarter of a megabyte; those of a guest with much under way are somewhat more. */
export const mostDevicesBytes = 64 * 1024 * 1024

/** 64 GiB. */
const mostPages = 2 ** 24

const count = z.int().min(0)

const headerSchema = z.strictObject({
  template: z.string().regex(/^[0-9a-f]{16}$/),
  parent: z.string().refine(isMemoryId).nullable(),
  /** Of the whole guest. */
  guestPages: z.int().min(1).max(mostPages),
  /** That the file is about. */
  pages: count.max(mostPages),
  /** Of these, those with content. */
  stored: count.max(mostPages),
  /** As they are in the file. */
  devicesBytes: z.int().min(1).max(mostDevicesBytes),
  compressed: z.boolean(),
})

export type MemoryHeader = z.infer<typeof headerSchema>

/** What is wrong with a file's content, as in "it is cut off". */
export class MalformedMemoryError extends Error {
  override name = "MalformedMemoryError"
}

export function encodeHeader(header: MemoryHeader): Buffer {
  const json = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(4)
  length.writeUInt32LE(json.length)
  return Buffer.concat([magic, length, json])
}

/** @param prefix A file's first bytes, as many as `prefixBytes`. @returns how long the header after them is. */
export function headerLength(prefix: Buffer): number {
  if (prefix.compare(magic, 0, magic.length, 0, magic.length) !== 0)
    throw new MalformedMemoryError("it is no memory, or one of another version")
  const length = prefix.readUInt32LE(magic.length)
  if (length > longestHeader) throw new MalformedMemoryError("its header is too long")
  return length
}

export function parseHeader(json: Buffer): MemoryHeader {
  let header: MemoryHeader
  try {
    header = headerSchema.parse(JSON.parse(json.toString("utf8")))
  } catch (error) {
    throw new MalformedMemoryError("its header makes no sense", { cause: error })
  }
  if (header.stored > header.pages || header.pages > header.guestPages)
    throw new MalformedMemoryError("its header makes no sense")
  return header
}

/** How long a file's index is. */
export function indexLength({ pages }: MemoryHeader): number {
  return pages * (4 + hashBytes)
}

export function encodeIndex({ pages, hashes }: PageIndex): Buffer {
  const bytes = Buffer.alloc(pages.length * 4)
  pages.forEach((page, at) => bytes.writeUInt32LE(page, at * 4))
  return Buffer.concat([bytes, hashes])
}

export function parseIndex(bytes: Buffer, { pages: count, stored, guestPages }: MemoryHeader): PageIndex {
  const pages = new Uint32Array(count)
  for (let at = 0, before = -1; at < count; at++) {
    const page = bytes.readUInt32LE(at * 4)
    if (page <= before || page >= guestPages)
      throw new MalformedMemoryError("its pages are out of order or none of the guest's")
    before = pages[at] = page
  }
  const index = new PageIndex(pages, bytes.subarray(count * 4))
  let notZero = 0
  for (let at = 0; at < count; at++) if (!index.isZero(at)) notZero++
  if (notZero !== stored) throw new MalformedMemoryError("it does not say how many contents it holds")
  return index
}

/** How many pages the chunk at a position holds. */
export function pagesOfChunk({ stored }: MemoryHeader, chunk: number): number {
  return Math.min(chunkPages, stored - chunk * chunkPages)
}

export function chunkCount({ stored }: MemoryHeader): number {
  return Math.ceil(stored / chunkPages)
}

/** @param length As it stands before a chunk. @throws MalformedMemoryError when the chunk cannot be so long. */
export function checkChunkLength(length: number, pages: number): void {
  if (length === 0 || length > pages * pageBytes)
    throw new MalformedMemoryError("one of its parts has an impossible length")
}
