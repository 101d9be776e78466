import { open } from "node:fs/promises"

/** Has the disk keep a file's content, or a directory's names, whatever becomes of the power. */
export async function syncFile(path: string): Promise<void> {
  const file = await open(path, "r")
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}
