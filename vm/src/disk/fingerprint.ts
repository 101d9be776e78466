import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { stat } from "node:fs/promises"
import { pipeline } from "node:stream/promises"

/** What the file system says of a layer's file. */
export interface LayerFacts {
  /** What it takes on the disk. */
  readonly bytes: number
  /** How long it is. */
  readonly length: number
  /** When it was last written to, in Unix microseconds. */
  readonly modifiedUs: number
}

/** What a sealed layer's file can be known by again: one that differs was changed by something that is not us. */
export interface Fingerprint extends LayerFacts {
  /** SHA-256 of the whole file, in hexadecimal. */
  readonly checksum: string
}

/** undefined when there is no such file. */
export async function layerFacts(path: string): Promise<LayerFacts | undefined> {
  try {
    const { blocks, size, mtimeNs } = await stat(path, { bigint: true })
    return { bytes: Number(blocks) * 512, length: Number(size), modifiedUs: Number(mtimeNs / 1000n) }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw error
  }
}

/** @throws Error when there is no such file, it cannot be read, or it changed meanwhile. */
export async function fingerprint(path: string, cancelled?: AbortSignal): Promise<Fingerprint> {
  const before = await layerFacts(path)
  const hash = createHash("sha256")
  await pipeline(createReadStream(path), hash, { signal: cancelled })
  const after = await layerFacts(path)
  if (before === undefined || after === undefined) throw new Error(`${path} is not there`)
  if (after.length !== before.length || after.modifiedUs !== before.modifiedUs)
    throw new Error(`${path} changed while it was read`)
  return { ...after, checksum: hash.digest("hex") }
}
