import { randomBytes } from "node:crypto"
import { createWriteStream } from "node:fs"
import { open, rename, rm, stat } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { Readable, Writable } from "node:stream"

/** The content of a local file, and its size in bytes if it is a regular one. @throws when it cannot be opened. */
export async function readLocalFile(
  path: string,
): Promise<{ content: ReadableStream<Uint8Array>; size?: number }> {
  const handle = await open(path)
  const content = Readable.toWeb(handle.createReadStream()) as ReadableStream<Uint8Array>
  const stats = await handle.stat()
  return stats.isFile() ? { content, size: stats.size } : { content }
}

/** Where a file of that name goes: into `path` when it is a directory. */
export async function localTarget(path: string, name: string): Promise<string> {
  return (await kindOf(path)) === "directory" || path.endsWith("/") ? join(path, basename(name)) : path
}

/**
 * Writes content to a local file, which is replaced once all of the content is there; what is no regular file, as
 * /dev/null, is written to. @throws when the content breaks off or the file cannot be written; it is as before then.
 */
export async function writeLocalFile(path: string, content: ReadableStream<Uint8Array>): Promise<void> {
  const kind = await kindOf(path)
  if (kind === "other") {
    await content.pipeTo(Writable.toWeb(createWriteStream(path)))
    return
  }
  const draft = join(dirname(path), `.${basename(path)}.${randomBytes(4).toString("hex")}`)
  try {
    // Opened before anything can fail: a file that is still being opened then would appear after it was removed.
    const file = await open(draft, "wx")
    await content.pipeTo(Writable.toWeb(file.createWriteStream()))
    await rename(draft, path)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
}

async function kindOf(path: string): Promise<"nothing" | "file" | "directory" | "other"> {
  const found = await stat(path).catch(() => undefined)
  if (found === undefined) return "nothing"
  if (found.isDirectory()) return "directory"
  return found.isFile() ? "file" : "other"
}
