import { toChange, type Change } from "./change.js"
import { affordable, differentContent } from "./content.js"
import { compareStates, sameAttributes } from "./file-states.js"
import { hostsFile, hostsOfUser, maxHostsBytes } from "./own-files.js"
import { sortByPath } from "./path-order.js"
import { unsettled } from "./settling.js"
import { isFull, pairs, type FullPair, type Pair, type Tree } from "./tree.js"

/** How much content is read to tell files apart by it. */
const budget = { files: 2_000, bytes: 128 * 1024 * 1024 }

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
  const different: Pair[] = []
  const alike: Record<"same" | "unknown", FullPair[]> = { same: [], unknown: [] }
  for (const pair of pairs(from, to)) {
    const verdict = isFull(pair) ? compareStates(pair.from, pair.to) : "different"
    if (verdict === "different" || !isFull(pair)) different.push(pair)
    else alike[verdict].push(pair)
  }
  // Small ones first, so that as few as possible are beyond the budget: those count as different.
  const unknown = alike.unknown.sort((a, b) => a.from.size - b.from.size)
  const known = affordable(unknown, budget)
  const readable = [...unknown.slice(0, known), ...unsettled(alike.same, from, to)]
  different.push(...unknown.slice(known), ...(await differentContent(readable, from, to)))
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
