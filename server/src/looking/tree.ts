import type { ChangedPath, FileState } from "@opensandbox/vm"
import { ownFiles } from "./own-files.js"
import { listedUpTo } from "./path-order.js"

/** The files of a disk, seen from the image's base. */
export interface Tree {
  /** The paths at which it may differ from the base: each directory right before what is in it, by the names' bytes. */
  readonly changes: readonly ChangedPath[]
  /** Whether there are more of them, after those. */
  readonly truncated: boolean
  /** The SHA-256 of files; null for what is none. At most 1,000 paths at a time. */
  digest(paths: readonly string[]): Promise<readonly (string | null)[]>
  /** A file's content. */
  read(path: string): Promise<Uint8Array>
}

/** One path and what is there in either tree; never null in both. */
export interface Pair {
  readonly path: string
  readonly from: FileState | null
  readonly to: FileState | null
}

/** A path at which both trees have something. */
export type FullPair = Pair & { readonly from: FileState; readonly to: FileState }

export function isFull(pair: Pair): pair is FullPair {
  return pair.from !== null && pair.to !== null
}

/** Each path that either tree lists, as far as both were listed, except those that are not the user's. */
export function* pairs(from: Tree, to: Tree): Iterable<Pair> {
  const isListed = listedByBoth(from, to)
  const changedInTo = new Map(to.changes.map((change) => [change.path, change]))
  for (const { path, was, now } of from.changes) {
    const other = changedInTo.get(path)
    changedInTo.delete(path)
    // A path that a tree does not list is as it was in the base.
    const pair = { path, from: now, to: other === undefined ? was : other.now }
    if (isListed(path) && isUsers(pair)) yield pair
  }
  for (const { path, was, now } of changedInTo.values()) {
    const pair = { path, from: was, to: now }
    if (isListed(path) && isUsers(pair)) yield pair
  }
}

function isUsers({ path, from, to }: Pair): boolean {
  if (from === null && to === null) return false
  return !(ownFiles.has(path) && [from, to].every((state) => state === null || state.type === "f"))
}

function listedByBoth(...trees: Tree[]): (path: string) => boolean {
  const ends = trees
    .filter((tree) => tree.truncated)
    .map((tree) => listedUpTo(tree.changes.at(-1)?.path ?? ""))
  return (path) => ends.every((isListed) => isListed(path))
}
