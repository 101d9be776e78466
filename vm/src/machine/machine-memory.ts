import { setImmediate as breath } from "node:timers/promises"
import type { MemoryDirectory } from "../memory/memory-directory.js"
import type { MemoryFacts, MemoryId } from "../memory/memory.js"
import { hashBytes, hashPage, pageBytes } from "../memory/page.js"
import { PageIndex } from "../memory/page-index.js"

/** What a guest's memory and devices held at one instant. */
export interface GuestInstant {
  /** How many pages the guest has. */
  readonly guestPages: number
  /** Those that are not the template's, in ascending order, and their contents one after the other. */
  readonly pages: Uint32Array
  readonly content: Buffer
  /** As QEMU wrote them. */
  readonly devices: Uint8Array
}

/** A memory, and what all pages of the guest held then that are not the template's. */
interface KnownMemory {
  readonly memory: MemoryId
  readonly index: PageIndex
}

/** Pages that are hashed before the server does something else: some 2 ms. */
const pagesAtOnce = 256

/** The memories of one machine: what it rests on, and what it held last. */
export class MachineMemory {
  /** The `id` of the template. */
  readonly template: string
  readonly #directory: MemoryDirectory
  #last: KnownMemory | undefined

  /** @param last What the machine was resumed from. */
  constructor(directory: MemoryDirectory, template: string, last?: KnownMemory) {
    this.#directory = directory
    this.template = template
    this.#last = last
  }

  /** The memory that the next one can rest on, if there is one. */
  get last(): MemoryId | undefined {
    return this.#last?.memory
  }

  /** Writes down an instant: the pages that differ from `parent`, or from the template where that is not the last memory. */
  async keep(memory: MemoryId, parent: MemoryId | undefined, instant: GuestInstant): Promise<MemoryFacts> {
    const { pages, content, devices, guestPages } = instant
    const index = new PageIndex(pages, await hashesOf(content))
    // A page that became the template's again would be missing; no page does, but then none may be left out either.
    const known = this.#last !== undefined && this.#last.memory === parent && index.covers(this.#last.index)
    const base = known ? this.#last : undefined
    const changed = index.changedSince(base?.index ?? PageIndex.empty)
    const facts = await this.#directory.write(memory, {
      header: { template: this.template, parent: base?.memory ?? null, guestPages },
      index: index.pick(changed),
      devices,
      pages: changed
        .filter((at) => !index.isZero(at))
        .map((at) => content.subarray(at * pageBytes, (at + 1) * pageBytes)),
    })
    this.#last = { memory, index }
    return facts
  }
}

async function hashesOf(content: Buffer): Promise<Uint8Array> {
  const pages = content.length / pageBytes
  const hashes = new Uint8Array(pages * hashBytes)
  for (let at = 0; at < pages; at++) {
    if (at % pagesAtOnce === pagesAtOnce - 1) await breath()
    hashes.set(hashPage(content.subarray(at * pageBytes, (at + 1) * pageBytes)), at * hashBytes)
  }
  return hashes
}
