import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { imageFiles } from "./image.js"

/** What a file holds, by its length and hash. */
export interface FileContent {
  readonly bytes: number
  /** Hexadecimal. */
  readonly sha256: string
}

/** The files that make an image what it is; its description only names it. */
export const contentFiles = [
  imageFiles.kernel,
  imageFiles.initramfs,
  imageFiles.base,
  imageFiles.blankDisk,
] as const

/** What each of an image's files holds. */
export type ImageContent = Readonly<Record<(typeof contentFiles)[number], FileContent>>

/** Small enough that hashing a piece keeps nobody waiting. */
const pieceBytes = 256 * 1024

/** Reads a whole file; some 500 MB a second. */
export async function contentOf(path: string): Promise<FileContent> {
  const hash = createHash("sha256")
  let bytes = 0
  for await (const piece of createReadStream(path, { highWaterMark: pieceBytes })) {
    hash.update(piece as Buffer)
    bytes += (piece as Buffer).length
  }
  return { bytes, sha256: hash.digest("hex") }
}

/** One hash for all that an image is: the same for two images exactly if their files and disk sizes are the same. */
export function digestOf(content: ImageContent, diskBytes: number): string {
  const facts = contentFiles.map((name) => [name, content[name].sha256])
  return createHash("sha256")
    .update(JSON.stringify([diskBytes, facts]))
    .digest("hex")
}
