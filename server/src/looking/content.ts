import type { FullPair, Tree } from "./tree.js"

/** How many files are read at the most, and how many bytes of them on either side. */
interface Budget {
  readonly files: number
  readonly bytes: number
}

/** A tree is asked for so many files at a time, and for so many bytes unless a single one has more. */
const batch: Budget = { files: 1_000, bytes: 16 * 1024 * 1024 }

/** Those, of files of the same size, whose content differs. */
export async function differentContent(
  pairs: readonly FullPair[],
  from: Tree,
  to: Tree,
): Promise<FullPair[]> {
  const different: FullPair[] = []
  for (let rest = pairs; rest.length > 0;) {
    const some = rest.slice(0, Math.max(1, affordable(rest, batch)))
    rest = rest.slice(some.length)
    const paths = some.map(({ path }) => path)
    const [before, after] = await Promise.all([from.digest(paths), to.digest(paths)])
    const isSame = (index: number) => typeof before[index] === "string" && before[index] === after[index]
    different.push(...some.filter((_, index) => !isSame(index)))
  }
  return different
}

/** How many of the first files are within a budget. */
export function affordable(pairs: readonly FullPair[], { files, bytes }: Budget): number {
  let total = 0
  const beyond = pairs.findIndex(({ from: { size } }, at) => at >= files || (total += size) > bytes)
  return beyond === -1 ? pairs.length : beyond
}
