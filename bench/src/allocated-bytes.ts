import { lstat, readdir } from "node:fs/promises"
import { join } from "node:path"

/**
 * What a file, or a directory with all that is in it, takes on the disk: less than its length where there are holes.
 * Files that go while it looks count as nothing.
 */
export async function allocatedBytes(path: string): Promise<number> {
  const entry = await lstat(path).catch(unlessGone)
  if (entry === undefined) return 0
  // The unit of `blocks` is 512 bytes whatever the file system.
  let bytes = entry.blocks * 512
  if (!entry.isDirectory()) return bytes
  for (const name of (await readdir(path).catch(unlessGone)) ?? []) {
    bytes += await allocatedBytes(join(path, name))
  }
  return bytes
}

function unlessGone(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error
}
