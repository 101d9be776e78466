import type { FileState } from "@opensandbox/vm"
import type { Pair } from "./tree.js"

/** One path that differs. */
export interface Change {
  readonly path: string
  readonly change: "added" | "changed" | "removed"
  /** What it is; what it was, if it is removed. */
  readonly type: "file" | "directory" | "symlink" | "other"
  /** In bytes; null when there is no file after the change. */
  readonly size: number | null
  /** In bytes; null when there was no file before the change. */
  readonly previous_size: number | null
}

const types = { f: "file", d: "directory", l: "symlink", o: "other" } as const

/** A path that differs, as the caller is told of it. */
export function toChange({ path, from, to }: Pair): Change {
  return {
    path,
    change: from === null ? "added" : to === null ? "removed" : "changed",
    type: types[(to ?? from)?.type ?? "o"],
    size: sizeOf(to),
    previous_size: sizeOf(from),
  }
}

function sizeOf(state: FileState | null): number | null {
  return state?.type === "f" ? state.size : null
}
