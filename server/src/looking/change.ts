import type { FileState } from "@opensandbox/vm"
import type { RouteAnswer } from "opensandbox/contract"
import type { Pair } from "./tree.js"

/** One path that differs. */
export type Change = RouteAnswer<"diff">["changes"][number]

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
