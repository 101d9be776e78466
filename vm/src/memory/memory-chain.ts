import type { GuestMemory } from "./guest-memory.js"
import { orDamaged, type MemoryDirectory } from "./memory-directory.js"
import type { MemoryFile } from "./memory-file.js"
import { DamagedMemoryError, type MemoryId } from "./memory.js"
import { pageBytes } from "./page.js"
import { PageIndex } from "./page-index.js"

const zeroPage = new Uint8Array(pageBytes)

/** Contents of a chain up to this size are kept once they were read, for further guests: 64 MiB. */
const mostKeptBytes = 64 * 1024 * 1024

/** A guest that is to get its memory back. */
type Target = Pick<GuestMemory, "pageCount" | "write">

interface Link {
  readonly memory: MemoryId
  readonly file: MemoryFile
}

/** Pages in ascending order, and what each of them holds. */
interface Batch {
  readonly pages: Uint32Array
  readonly contents: readonly Uint8Array[]
}

/**
 * Memories that rest on each other, from the one that rests on the template alone to the newest: together all that a
 * guest's memory differs from the template in. What is wrong with one fails with a DamagedMemoryError. Any number of guests
 * can be made of it; it is read, and compared with its checksums, once for all of them.
 */
export class MemoryChain {
  /** What the guest's pages hold that differ from the template. */
  readonly index: PageIndex
  /** The `id` of the template. */
  readonly template: string
  readonly #links: readonly [Link, ...Link[]]
  #devices: Promise<Buffer> | undefined
  #verified: Promise<void> | undefined
  #kept: Promise<readonly Batch[]> | undefined

  private constructor(links: readonly [Link, ...Link[]]) {
    this.#links = links
    this.template = links[0].file.header.template
    this.index = links.reduce((below, { file }) => file.index.over(below), PageIndex.empty)
  }

  /** Opens memories; `close` is the caller's. @param memories From the oldest to the newest; at least one. */
  static async open(directory: MemoryDirectory, memories: readonly MemoryId[]): Promise<MemoryChain> {
    const links: Link[] = []
    try {
      for (const memory of memories) links.push({ memory, file: await directory.open(memory) })
      const [first, ...others] = links
      if (first === undefined) throw new Error("a chain needs a memory")
      requireUnbroken(links)
      return new MemoryChain([first, ...others])
    } catch (error) {
      for (const { file } of links) await file.close()
      throw error
    }
  }

  get newest(): MemoryId {
    return this.#top.memory
  }

  /** The newest memory's devices, as QEMU wrote them. */
  devices(): Promise<Buffer> {
    const { memory, file } = this.#top
    this.#devices ??= orDamaged(memory, () => file.devices())
    return this.#devices
  }

  /** Compares all files with their checksums. */
  verify(): Promise<void> {
    this.#verified ??= this.#verify()
    return this.#verified
  }

  /** Gives a guest that never ran since it was cloned the pages as they were. */
  async writeTo(guest: Target): Promise<void> {
    if (guest.pageCount !== this.#top.file.header.guestPages)
      throw new DamagedMemoryError(this.newest, "it belongs to a guest of another size")
    for await (const { pages, contents } of this.#contents()) await guest.write(pages, contents)
  }

  async close(): Promise<void> {
    for (const { file } of this.#links) await file.close()
  }

  async #verify(): Promise<void> {
    for (const { memory, file } of this.#links) await orDamaged(memory, () => file.verify())
  }

  async *#contents(): AsyncIterable<Batch> {
    const stored = this.#links.reduce((sum, { file }) => sum + file.header.stored, 0)
    if (stored * pageBytes > mostKeptBytes) {
      yield* this.#read()
      return
    }
    this.#kept ??= all(this.#read())
    yield* await this.#kept
  }

  /** The newest memory's pages first, and each page once. */
  async *#read(): AsyncIterable<Batch> {
    const given = new Uint8Array(this.#top.file.header.guestPages)
    for (const { memory, file } of this.#links.toReversed()) {
      const batches = newPages(file, given)
      for (;;) {
        const next = await orDamaged(memory, () => batches.next())
        if (next.done === true) break
        yield next.value
      }
    }
  }

  get #top(): Link {
    return this.#links.at(-1) ?? this.#links[0]
  }
}

function requireUnbroken(links: readonly Link[]): void {
  links.forEach(({ memory, file: { header } }, at) => {
    const below = links[at - 1]
    const fits =
      header.parent === (below?.memory ?? null) &&
      (below === undefined ||
        (below.file.header.template === header.template &&
          below.file.header.guestPages === header.guestPages))
    if (!fits) throw new DamagedMemoryError(memory, "it does not rest on the one that it should")
  })
}

/** @param given Which pages are in a newer memory; those that are given here are added. */
async function* newPages(file: MemoryFile, given: Uint8Array): AsyncGenerator<Batch, undefined> {
  const { index } = file
  const zeros: number[] = []
  const stored: number[] = []
  index.pages.forEach((_, at) => (index.isZero(at) ? zeros : stored).push(at))
  const take = (at: number): boolean => {
    const page = index.pages[at] ?? 0
    if (given[page] === 1) return false
    given[page] = 1
    return true
  }
  let next = 0
  for await (const content of file.chunks()) {
    const pages: number[] = []
    const contents: Uint8Array[] = []
    for (let offset = 0; offset < content.length; offset += pageBytes) {
      const at = stored[next++] ?? 0
      if (!take(at)) continue
      pages.push(index.pages[at] ?? 0)
      contents.push(content.subarray(offset, offset + pageBytes))
    }
    yield { pages: Uint32Array.from(pages), contents }
  }
  const empty = zeros.filter(take).map((at) => index.pages[at] ?? 0)
  yield { pages: Uint32Array.from(empty), contents: empty.map(() => zeroPage) }
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}
