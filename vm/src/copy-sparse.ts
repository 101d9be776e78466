import { open, type FileHandle } from "node:fs/promises"

/** What is copied at a time; where all of it is zero, nothing is written. */
const blockBytes = 64 * 1024

/** Copies a file that is mostly empty: the copy takes no more room than what is in it, on any file system. */
export async function copySparse(from: string, to: string): Promise<void> {
  const source = await open(from, "r")
  try {
    const target = await open(to, "w", 0o600)
    try {
      const { size } = await source.stat()
      const block = Buffer.alloc(blockBytes)
      const zeros = Buffer.alloc(blockBytes)
      for (let at = 0; at < size;) {
        const { bytesRead } = await source.read(block, 0, blockBytes, at)
        if (bytesRead === 0) throw new Error(`${from} became shorter while it was copied`)
        const content = block.subarray(0, bytesRead)
        if (!content.equals(zeros.subarray(0, bytesRead))) await writeAll(target, content, at)
        at += bytesRead
      }
      await target.truncate(size)
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}

async function writeAll(target: FileHandle, content: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < content.length;)
    at += (await target.write(content, at, content.length - at, position + at)).bytesWritten
}
