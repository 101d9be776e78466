import type { Sandbox } from "opensandbox"
import { succeeded } from "./results.js"

/** What a user can see of a file. */
interface GuestFile {
  type: "file" | "directory" | "symlink" | "other"
  /** In bytes; null for what is no regular file. */
  size: number | null
  /** All else: mode, owner, a link's target, a regular file's content. */
  rest: string
}

/** Paths and what is there. */
type GuestFiles = ReadonlyMap<string, GuestFile>

const types: Record<string, GuestFile["type"]> = { f: "file", d: "directory", l: "symlink" }

/** Lists, by a command in the guest, all files below some directories, of which some may not be there. */
export async function guestFiles(sandbox: Sandbox, directories: readonly string[]): Promise<GuestFiles> {
  const find = (what: string) => `find ${directories.join(" ")} -xdev ${what} 2>/dev/null`
  const list = find(String.raw`-printf '%p\0%y\0%s\0%m %U %G %l\0'`)
  const hash = find("-type f -print0").concat(" | xargs -0r sha256sum -z")
  const { stdout } = succeeded(
    await sandbox.run(`${list}; printf '\\0'; ${hash}`, { timeout: 120, snapshot: false }),
  )
  const [listing = "", hashes = ""] = stdout.split("\0\0")
  const contents = new Map(hashes.split("\0").map((line) => [line.slice(66), line.slice(0, 64)]))
  const fields = listing.split("\0")
  const files = new Map<string, GuestFile>()
  for (let at = 0; at + 3 < fields.length; at += 4) {
    const [path = "", type = "", size, rest = ""] = fields.slice(at, at + 4)
    files.set(path, {
      type: types[type] ?? "other",
      size: type === "f" ? Number(size) : null,
      rest: `${rest} ${contents.get(path) ?? ""}`,
    })
  }
  return files
}

/** What a diff of the two has to tell. */
export function differences(from: GuestFiles, to: GuestFiles): unknown[] {
  const paths = [...new Set([...from.keys(), ...to.keys()])]
  return paths
    .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .map((path) => ({ path, before: from.get(path), after: to.get(path) }))
    .filter(({ before, after }) => JSON.stringify(before) !== JSON.stringify(after))
    .map(({ path, before, after }) => ({
      path,
      change: before === undefined ? "added" : after === undefined ? "removed" : "changed",
      type: (after ?? before)?.type,
      size: after?.size ?? null,
      previous_size: before?.size ?? null,
    }))
}
