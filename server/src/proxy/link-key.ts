import { randomBytes } from "node:crypto"
import { readFile, rename, writeFile } from "node:fs/promises"
import { join } from "node:path"

const keyBytes = 32

/** The secret that links to ports are signed with. Made once and kept, so that links outlive a restart of the server. */
export async function linkKey(dataDirectory: string): Promise<Uint8Array> {
  const path = join(dataDirectory, "link_key")
  const kept = await readFile(path).catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined
    throw error
  })
  if (kept === undefined) return makeLinkKey(path)
  if (kept.length !== keyBytes) {
    throw new Error(`${path} holds no key. Restore it, or delete it: links that were made with it then end.`)
  }
  return kept
}

async function makeLinkKey(path: string): Promise<Uint8Array> {
  const key = randomBytes(keyBytes)
  const unfinished = `${path}.new`
  await writeFile(unfinished, key, { mode: 0o600 })
  await rename(unfinished, path)
  return key
}
