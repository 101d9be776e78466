import { untouched } from "./file-states.js"
import type { FullPair, Tree } from "./tree.js"

/** How many files are compared by content, and how many bytes of it. */
const maxFiles = 2_000
const maxBytes = 256 * 1024 * 1024

/** How many files a tree is asked for at a time. */
const batchSize = 1_000

/**
 * Those whose content differs. What is too much to look at counts as different unless all else that is known of it is
 * the same; small files come first, so that it is as few as possible.
 *
 * @param pairs Of files of the same size.
 */
export async function differentContent(
  pairs: readonly FullPair[],
  from: Tree,
  to: Tree,
): Promise<FullPair[]> {
  const bySize = pairs.toSorted((a, b) => a.from.size - b.from.size)
  let bytes = 0
  const readable = bySize.filter(({ from: { size } }, at) => at < maxFiles && (bytes += size) <= maxBytes)
  const different = bySize.slice(readable.length).filter((pair) => !untouched(pair.from, pair.to))
  for (let at = 0; at < readable.length; at += batchSize) {
    const batch = readable.slice(at, at + batchSize)
    const paths = batch.map(({ path }) => path)
    const [before, after] = await Promise.all([from.digest(paths), to.digest(paths)])
    const isSame = (index: number) => typeof before[index] === "string" && before[index] === after[index]
    different.push(...batch.filter((_, index) => !isSame(index)))
  }
  return different
}
