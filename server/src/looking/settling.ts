import { affordable } from "./content.js"
import { untouched } from "./file-states.js"
import type { FullPair, Tree } from "./tree.js"

/** The longest that the writing out of files before a snapshot is thought to take. */
const settlingMilliseconds = 5_000

/** This is work that hardly ever finds anything. */
const budget = { files: 500, bytes: 32 * 1024 * 1024 }

/**
 * Those, of files that nothing seems to have touched, whose content has to be looked at all the same. What a background
 * process wrote while one of the snapshots was being taken may be in that one with its times and not yet with its
 * content; when the content followed, the times stayed. The later it was the likelier, so if there are too many they are
 * the last ones.
 */
export function unsettled(pairs: readonly FullPair[], from: Tree, to: Tree): FullPair[] {
  const settledBefore = Math.min(newestChange(from), newestChange(to)) - settlingMilliseconds
  const late = pairs
    .filter(({ from: a, to: b }) => a.type === "f" && a.size > 0 && a.size <= budget.bytes && untouched(a, b))
    .filter((pair) => milliseconds(pair.from.ctimeNs) >= settledBefore)
    .sort((a, b) => milliseconds(b.from.ctimeNs) - milliseconds(a.from.ctimeNs))
  return late.slice(0, affordable(late, budget))
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
