import { Header } from "tar"

const blockBytes = 512

/** Ends an archive: two empty blocks. */
export const endOfArchive = Buffer.alloc(2 * blockBytes)

export const headerBytes = blockBytes

/** The header of a file that only its owner may read. */
export function fileHeader(name: string, bytes: number, time: Date): Buffer {
  const header = new Header({
    type: "File",
    path: name,
    mode: 0o600,
    uid: 0,
    gid: 0,
    size: bytes,
    mtime: time,
  })
  const block = Buffer.alloc(blockBytes)
  header.encode(block)
  return block
}

/** What fills a file's last block. */
export function padding(bytes: number): Buffer {
  return Buffer.alloc((blockBytes - (bytes % blockBytes)) % blockBytes)
}

/** A header that was read: what is there, and whether that is a plain file. */
export interface ReadHeader {
  readonly name: string
  readonly bytes: number
  readonly isFile: boolean
}

/**
 * Reads a header. Extended headers (of pax or GNU), links, devices and directories are entries like any other here,
 * only no files: nothing that they say is applied to what follows.
 *
 * @returns undefined when the block is no header, or a damaged one.
 */
export function readHeader(block: Buffer): ReadHeader | undefined {
  try {
    const { cksumValid, path, size, typeKey } = new Header(block)
    if (!cksumValid || path === undefined || size === undefined) return undefined
    return { name: path, bytes: size, isFile: typeKey === "0" }
  } catch {
    // It has a number that is beyond all numbers.
    return undefined
  }
}
