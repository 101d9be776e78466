import type { FileState } from "@opensandbox/vm"

/** What the states of one path in two trees say; `unknown` leaves it to the file's content. */
export type Verdict = "same" | "different" | "unknown"

/**
 * Compares two states of a path. Times and inode numbers alone are no difference to a user: a file that was written
 * again with the same content is the same.
 */
export function compareStates(a: FileState, b: FileState): Verdict {
  if (!sameAttributes(a, b)) return "different"
  switch (a.type) {
    case "d":
      return "same"
    case "l":
      return a.target === b.target ? "same" : "different"
    case "o":
      // What makes a device, a socket or a pipe the one that it is never changes.
      return a.ino === b.ino ? "same" : "different"
    case "f":
      if (a.size !== b.size) return "different"
      return a.size === 0 || untouched(a, b) ? "same" : "unknown"
  }
}

/** Whether they are of the same type, for the same users. */
export function sameAttributes(a: FileState, b: FileState): boolean {
  return a.type === b.type && a.mode === b.mode && a.uid === b.uid && a.gid === b.gid
}

/** Whether nothing tells that the file was written to in between. */
export function untouched(a: FileState, b: FileState): boolean {
  return a.size === b.size && a.ino === b.ino && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs
}
