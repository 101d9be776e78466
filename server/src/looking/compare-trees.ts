import { toChange, type Change } from "./change.js"
import { differentContent } from "./content.js"
import { compareStates, sameAttributes } from "./file-states.js"
import { hostsFile, hostsOfUser, maxHostsBytes } from "./own-files.js"
import { sortByPath } from "./path-order.js"
import { unsettledIn } from "./settling.js"
import { isFull, pairs, type FullPair, type Pair, type Tree } from "./tree.js"

/** How many changes an answer holds. */
const maxChanges = 10_000

export interface Comparison {
  /** In the order of their paths' bytes; at most 10,000. */
  readonly changes: Change[]
  /** Whether more differs than `changes` holds. */
  readonly truncated: boolean
}

/**
 * What differs between two trees that have the same base, to a user: by type, owner, mode, content and target, not by
 * times alone.
 */
export async function compareTrees(from: Tree, to: Tree): Promise<Comparison> {
  const isUnsettled = unsettledIn(from, to)
  const different: Pair[] = []
  const unknown: FullPair[] = []
  for (const pair of pairs(from, to)) {
    const verdict = !isFull(pair)
      ? "different"
      : isUnsettled(pair)
        ? "unknown"
        : compareStates(pair.from, pair.to)
    if (verdict === "different") different.push(pair)
    else if (verdict === "unknown" && isFull(pair)) unknown.push(pair)
  }
  different.push(...(await differentContent(unknown, from, to)))
  const changes = sortByPath(await withoutOwnHost(different, from, to)).map(toChange)
  return {
    changes: changes.slice(0, maxChanges),
    truncated: from.truncated || to.truncated || changes.length > maxChanges,
  }
}

/** Leaves the file of hosts out if only the machine's own name differs in it. */
async function withoutOwnHost(different: Pair[], from: Tree, to: Tree): Promise<Pair[]> {
  const hosts = different.find(({ path }) => path === hostsFile)
  if (hosts === undefined || !isFull(hosts) || !sameAttributes(hosts.from, hosts.to)) return different
  if (hosts.from.type !== "f" || Math.max(hosts.from.size, hosts.to.size) > maxHostsBytes) return different
  const [before, after] = await Promise.all([from.read(hostsFile), to.read(hostsFile)])
  return hostsOfUser(before) === hostsOfUser(after) ? different.filter((pair) => pair !== hosts) : different
}
