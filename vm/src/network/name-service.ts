import { Resolver } from "node:dns/promises"
import { within } from "../deadline.js"
import { parseAddress } from "./address.js"
import { answerCodes, encodeAnswer, parseQuestion, recordTypes, type AddressRecord } from "./dns-message.js"
import type { Reach } from "./reach.js"

/** Questions of one guest that are looked up at the same time; what comes on top has to be asked again. */
const maxUnderWay = 64

/** How long one name server may take, and how long all of it may. */
const tryMilliseconds = 2_000
const answerMilliseconds = 10_000

/** Few enough to fit into any answer. */
const maxRecords = 16

/** A day: what an answer holds longer than that is looked up again. */
const maxTtl = 86_400

/** Looks a name up. Rejects with Node's errors, of which `ENOTFOUND` and `ENODATA` are answers. */
export type Lookup = (name: string) => Promise<AddressRecord[]>

/**
 * The guest's name server: asks the host's, for names that the guest may know, and gives it no address that it may not
 * reach. There are only addresses of IPv4; every other question has an empty answer.
 */
export class NameService {
  readonly #reach: Reach
  readonly #lookup: Lookup
  #underWay = 0

  constructor(reach: Reach, lookup: Lookup) {
    this.#reach = reach
    this.#lookup = lookup
  }

  /** @returns the answer; undefined for what is no question, or one too many. */
  async answer(message: Buffer): Promise<Buffer | undefined> {
    const question = parseQuestion(message)
    if (question === undefined || this.#underWay >= maxUnderWay) return undefined
    if (!this.#reach.permitsName(question.name)) return encodeAnswer(question, answerCodes.refused)
    if (question.type !== recordTypes.a) return encodeAnswer(question, answerCodes.ok)
    this.#underWay += 1
    try {
      const found = await within(answerMilliseconds, "the name server's answer", this.#lookup(question.name))
      const records = found
        .slice(0, maxRecords)
        .map((record) => ({ ...record, ttl: Math.min(record.ttl, maxTtl) }))
      const reachable = records.filter(({ address, ttl }) => this.#reach.learn(question.name, address, ttl))
      const code = records.length > 0 && reachable.length === 0 ? answerCodes.refused : answerCodes.ok
      return encodeAnswer(question, code, reachable)
    } catch (error) {
      return encodeAnswer(question, codeOf(error))
    } finally {
      this.#underWay -= 1
    }
  }
}

function codeOf(error: unknown): number {
  const { code } = error as NodeJS.ErrnoException
  if (code === "ENOTFOUND") return answerCodes.noSuchName
  return code === "ENODATA" ? answerCodes.ok : answerCodes.failed
}

/** Asks the name servers that the host has when this is called. */
export function hostLookup(): { lookup: Lookup; cancel: () => void } {
  const resolver = new Resolver({ timeout: tryMilliseconds, tries: 2 })
  return {
    lookup: async (name) => {
      const found = await resolver.resolve4(name, { ttl: true })
      return found.flatMap(({ address, ttl }) => {
        const parsed = parseAddress(address)
        return parsed === undefined ? [] : { address: parsed, ttl: Math.max(0, ttl) }
      })
    },
    cancel: () => resolver.cancel(),
  }
}
