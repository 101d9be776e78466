import { open } from "node:fs/promises"

/** A piece of a file and where it stands; what is between the pieces is zero. */
interface Piece {
  readonly offset: number
  readonly bytes: Buffer
}

/** A file described by its pieces. */
export interface SparseFile {
  readonly length: number
  readonly pieces: readonly Piece[]
}

/** Writes a file that takes room only for its pieces. One that is there already is written over. */
export async function writeSparseFile(path: string, { length, pieces }: SparseFile): Promise<void> {
  const file = await open(path, "w", 0o600)
  try {
    for (const { offset, bytes } of pieces) await file.write(bytes, 0, bytes.length, offset)
    await file.truncate(length)
  } finally {
    await file.close()
  }
}
