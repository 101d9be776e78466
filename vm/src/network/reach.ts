import { contains, type Address } from "./address.js"
import { isForbidden } from "./forbidden-ranges.js"
import { isOwnAddress } from "./host-addresses.js"
import { allowRules, type AllowRule, type NetworkPolicy } from "./network-policy.js"

/** How long beyond its time to live an address that was learnt stays good: programs keep what they looked up. */
const graceMilliseconds = 10 * 60_000

/** Addresses that are remembered; beyond it the one that was learnt first is forgotten. */
const maxLearnt = 4096

/**
 * Decides what one machine may reach. Every connection asks at its beginning, so what holds is what the host's
 * interfaces are then.
 */
export class Reach {
  readonly #everywhere: boolean
  readonly #rules: readonly AllowRule[]
  readonly #isOwn: (address: Address) => boolean
  /** When the addresses that allowed names had may no longer be reached by those names, in milliseconds, by name and address. */
  readonly #learnt = new Map<string, number>()

  /** @param isOwn Whether an address is the host's own. */
  constructor(policy: NetworkPolicy, isOwn: (address: Address) => boolean = isOwnAddress) {
    this.#everywhere = policy === "internet"
    this.#rules = typeof policy === "string" ? [] : allowRules(policy.allow)
    this.#isOwn = isOwn
  }

  /** Whether a name may be looked up. @param name In lower case, without a dot at its end. */
  permitsName(name: string): boolean {
    return this.#everywhere || this.#rules.some(({ host }) => host === name)
  }

  /**
   * Remembers what a permitted name stands for.
   *
   * @param ttlSeconds For how long the answer holds.
   * @returns whether it may be reached: a name does not open what no setting opens.
   */
  learn(name: string, address: Address, ttlSeconds: number, now = Date.now()): boolean {
    if (this.#isOutOfReach(address)) return false
    if (this.#everywhere) return true
    const key = learntKey(name, address)
    this.#learnt.delete(key)
    this.#learnt.set(key, now + ttlSeconds * 1000 + graceMilliseconds)
    const [oldest] = this.#learnt.keys()
    if (this.#learnt.size > maxLearnt && oldest !== undefined) this.#learnt.delete(oldest)
    return true
  }

  /** Whether a connection to an address may begin, or a datagram go there. */
  permits(address: Address, port: number, now = Date.now()): boolean {
    if (this.#isOutOfReach(address)) return false
    return this.#everywhere || this.#rules.some((rule) => this.#matches(rule, address, port, now))
  }

  #matches(rule: AllowRule, address: Address, port: number, now: number): boolean {
    if (rule.port !== undefined && rule.port !== port) return false
    if (typeof rule.host !== "string") return contains(rule.host, address)
    return (this.#learnt.get(learntKey(rule.host, address)) ?? 0) > now
  }

  #isOutOfReach(address: Address): boolean {
    return isForbidden(address) || this.#isOwn(address)
  }
}

function learntKey(name: string, address: Address): string {
  return `${name} ${address}`
}
