import { untouched } from "./file-states.js"
import type { FullPair, Tree } from "./tree.js"

/** The longest that the writing out of files before a snapshot is thought to take. */
const settlingMilliseconds = 5_000

/**
 * Tells of files that nothing seems to have touched whether their content has to be looked at all the same. What a
 * background process wrote while one of the snapshots was being taken may be in that one with its times and not yet
 * with its content; when the content followed, the times stayed.
 */
export function unsettledIn(from: Tree, to: Tree): (pair: FullPair) => boolean {
  const settledBefore = Math.min(newestChange(from), newestChange(to)) - settlingMilliseconds
  return (pair) =>
    pair.from.type === "f" &&
    pair.from.size > 0 &&
    untouched(pair.from, pair.to) &&
    milliseconds(pair.from.ctimeNs) >= settledBefore
}

/** In milliseconds since the epoch. */
function newestChange(tree: Tree): number {
  return tree.changes.reduce(
    (newest, { now }) => (now === null ? newest : Math.max(newest, milliseconds(now.ctimeNs))),
    -Infinity,
  )
}

function milliseconds(nanoseconds: string): number {
  return Number(nanoseconds) / 1e6
}
