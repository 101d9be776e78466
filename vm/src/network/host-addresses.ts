import { readFileSync } from "node:fs"
import { networkInterfaces } from "node:os"
import { contains, parseAddress, parseRange, type Address, type AddressRange } from "./address.js"

/** For how long an answer of the kernel is believed: addresses come and go with interfaces, connections by the hundred. */
const freshMilliseconds = 1_000

let known: readonly AddressRange[] = []
let knownAt = -Infinity

/** Whether an address is one of this host's own, on whatever interface, or the broadcast address of one of its networks. */
export function isOwnAddress(address: Address): boolean {
  const now = performance.now()
  if (now - knownAt > freshMilliseconds) {
    known = [...addressesOfInterfaces(), ...localRoutes()]
    knownAt = now
  }
  return known.some((range) => contains(range, address))
}

function addressesOfInterfaces(): AddressRange[] {
  return Object.values(networkInterfaces()).flatMap((addresses = []) =>
    addresses.flatMap(({ address }) => parseRange(address) ?? []),
  )
}

/** What the kernel delivers to itself: interfaces without a carrier and whole ranges included, which Node does not list. */
function localRoutes(): AddressRange[] {
  try {
    return parseRoutes(readFileSync("/proc/net/fib_trie", "utf8"))
  } catch {
    // Not every system shows it.
    return []
  }
}

/** The ranges that a `/proc/net/fib_trie` says are not sent anywhere else. */
export function parseRoutes(trie: string): AddressRange[] {
  const ranges: AddressRange[] = []
  let first: Address | undefined
  for (const line of trie.split("\n")) {
    const leaf = /\|-- ([\d.]+)$/.exec(line)?.[1]
    if (leaf !== undefined) first = parseAddress(leaf)
    const prefix = /^\s+\/(\d+) \S+ (?:LOCAL|BROADCAST|ANYCAST)/.exec(line)?.[1]
    if (prefix !== undefined && first !== undefined) ranges.push({ first, prefix: Number(prefix) })
  }
  return ranges
}
