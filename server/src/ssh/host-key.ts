import { readFile, rename, writeFile } from "node:fs/promises"
import { join } from "node:path"
import ssh2 from "ssh2"
import { generateEd25519KeyPair } from "./ed25519-key-pair.js"

/**
 * The key by which SSH clients know this server, in OpenSSH's format. Made once and kept, so that clients that have
 * seen it do not warn. @throws when the file holds no key.
 */
export async function hostKey(dataDirectory: string): Promise<string> {
  const path = join(dataDirectory, "ssh_host_key")
  const kept = await readIfPresent(path)
  if (kept === undefined) return makeHostKey(path)
  if (ssh2.utils.parseKey(kept) instanceof Error) {
    throw new Error(`${path} holds no SSH private key. Restore it, or delete it to have a new one made.`)
  }
  return kept
}

async function makeHostKey(path: string): Promise<string> {
  const { privateKey } = generateEd25519KeyPair()
  const unfinished = `${path}.new`
  await writeFile(unfinished, privateKey, { mode: 0o600 })
  await rename(unfinished, path)
  return privateKey
}

async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8")
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined
    throw error
  }
}
