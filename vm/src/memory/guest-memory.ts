import { closeSync, openSync, readFileSync, readSync, writevSync } from "node:fs"
import { setImmediate as breath } from "node:timers/promises"
import { pageBytes } from "./page.js"
import { pagemapEntryBytes, runsOf, writtenPages } from "./pagemap.js"

/** A part of the guest's memory in QEMU's address space. */
interface Mapping {
  readonly address: number
  /** The guest's first page in it, and how many there are. */
  readonly first: number
  count: number
}

/** How many pages are copied before the server does something else: some 3 ms. The kernel takes no more in one call. */
const pagesAtOnce = 1024

/**
 * The guest's memory is the one private mapping of a file by this name, which may be gone: the cache loses templates.
 */
const mappingLine = /^([0-9a-f]+)-([0-9a-f]+) rw-p ([0-9a-f]+) \S+ \d+ +\/.*\/memory(?: \(deleted\))?$/

/**
 * The memory of a machine's guest, through the kernel's view of QEMU's process: which pages are the machine's own, and
 * what they hold. The machine must stand still, or what is read is of no one instant.
 */
export class GuestMemory {
  /** How many pages the guest has. */
  readonly pageCount: number
  readonly #pid: number
  readonly #mappings: readonly Mapping[]

  /** @throws Error when the process has no template's memory, or the kernel does not let us see it. */
  constructor(pid: number) {
    this.#pid = pid
    this.#mappings = mappingsOf(pid)
    this.pageCount = this.#mappings.reduce((sum, { count }) => sum + count, 0)
    if (this.pageCount === 0) throw new Error(`machine process ${pid} does not have its template's memory`)
  }

  /** The pages that are not the template's any more, in ascending order. */
  ownPages(): Uint32Array {
    const pagemap = this.#open("pagemap", "r")
    try {
      const parts = this.#mappings.map(({ address, first, count }) => {
        const entries = new Uint8Array(count * pagemapEntryBytes)
        readFully(pagemap, entries, (address / pageBytes) * pagemapEntryBytes)
        return writtenPages(entries, first)
      })
      return joined(parts)
    } finally {
      closeSync(pagemap)
    }
  }

  /**
   * Copies pages, one after the other.
   *
   * @param pages In ascending order.
   * @param room Memory to use where it is large enough: to get some from the kernel takes as long as to copy.
   */
  async read(pages: Uint32Array, room: Buffer): Promise<Buffer> {
    const length = pages.length * pageBytes
    const content = room.length >= length ? room.subarray(0, length) : Buffer.allocUnsafeSlow(length)
    const memory = this.#open("mem", "r")
    try {
      await this.#eachRun(pages, (address, at, count) => {
        readFully(memory, content.subarray(at * pageBytes, (at + count) * pageBytes), address)
      })
      return content
    } finally {
      closeSync(memory)
    }
  }

  /**
   * Gives pages other contents.
   *
   * @param pages In ascending order.
   * @param contents A page for each of them.
   */
  async write(pages: Uint32Array, contents: readonly Uint8Array[]): Promise<void> {
    const memory = this.#open("mem", "r+")
    try {
      await this.#eachRun(pages, (address, at, count) => {
        const written = writevSync(memory, contents.slice(at, at + count), address)
        if (written !== count * pageBytes) throw new Error("the guest's memory could not be written")
      })
    } finally {
      closeSync(memory)
    }
  }

  /** @throws Error with the system's code `EACCES` where the kernel lets nobody look into another's memory. */
  #open(name: "mem" | "pagemap", flags: string): number {
    return openSync(`/proc/${this.#pid}/${name}`, flags)
  }

  /** Calls `copy` for each run of neighbouring pages, with its address, its position among them and its length. */
  async #eachRun(
    pages: Uint32Array,
    copy: (address: number, at: number, count: number) => void,
  ): Promise<void> {
    let at = 0
    let sinceBreath = 0
    for (const { first, count } of runsOf(pages, pagesAtOnce)) {
      copy(this.#address(first, count), at, count)
      at += count
      sinceBreath += count
      if (sinceBreath < pagesAtOnce) continue
      sinceBreath = 0
      await breath()
    }
  }

  #address(first: number, count: number): number {
    const mapping = this.#mappings.find(
      (mapping) => mapping.first <= first && first + count <= mapping.first + mapping.count,
    )
    if (mapping === undefined) throw new Error(`the guest has no pages ${first} to ${first + count - 1}`)
    return mapping.address + (first - mapping.first) * pageBytes
  }
}

function mappingsOf(pid: number): Mapping[] {
  const mappings: Mapping[] = []
  for (const line of readFileSync(`/proc/${pid}/maps`, "utf8").split("\n")) {
    const [, start, end, offset] = mappingLine.exec(line) ?? []
    if (start === undefined || end === undefined || offset === undefined) continue
    const [address, first] = [parseInt(start, 16), parseInt(offset, 16) / pageBytes]
    const count = (parseInt(end, 16) - address) / pageBytes
    const last = mappings.at(-1)
    // The kernel parts a mapping where it treats what is in it differently.
    const goesOn =
      last?.address === address - (last?.count ?? 0) * pageBytes && last.first + last.count === first
    if (goesOn) last.count += count
    else mappings.push({ address, first, count })
  }
  return mappings.sort((a, b) => a.first - b.first)
}

function joined(parts: readonly Uint32Array[]): Uint32Array {
  const all = new Uint32Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

function readFully(file: number, into: Uint8Array, position: number): void {
  for (let at = 0; at < into.length;) {
    const count = readSync(file, into, at, into.length - at, position + at)
    if (count === 0) throw new Error("the machine's process has ended")
    at += count
  }
}
