import type { GuestMemory } from "./guest-memory.js"
import { orDamaged, type MemoryDirectory } from "./memory-directory.js"
import type { MemoryFile } from "./memory-file.js"
import { DamagedMemoryError, type MemoryId } from "./memory.js"
import { pageBytes } from "./page.js"
import { PageIndex } from "./page-index.js"

const zeroPage = new Uint8Array(pageBytes)

/** A guest that is to get its memory back. */
type Target = Pick<GuestMemory, "pageCount" | "write">

interface Link {
  readonly memory: MemoryId
  readonly file: MemoryFile
}

/**
 * Memories that rest on each other, from the one that rests on the template alone to the newest: together all that a
 * guest's memory differs from the template in. What is wrong with one fails with a DamagedMemoryError.
 */
export class MemoryChain {
  /** What the guest's pages hold that differ from the template. */
  readonly index: PageIndex
  /** The `id` of the template. */
  readonly template: string
  readonly #links: readonly [Link, ...Link[]]

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
    return orDamaged(memory, () => file.devices())
  }

  /** Compares all files with their checksums. */
  async verify(): Promise<void> {
    for (const { memory, file } of this.#links) await orDamaged(memory, () => file.verify())
  }

  /** Gives a guest that never ran since it was cloned the pages as they were. */
  async writeTo(guest: Target): Promise<void> {
    if (guest.pageCount !== this.#top.file.header.guestPages)
      throw new DamagedMemoryError(this.newest, "it belongs to a guest of another size")
    const written = new Uint8Array(guest.pageCount)
    for (const { memory, file } of this.#links.toReversed())
      await orDamaged(memory, () => writePages(file, guest, written))
  }

  async close(): Promise<void> {
    for (const { file } of this.#links) await file.close()
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

/** @param written Which pages have their content from a newer memory; those that get it here are added. */
async function writePages(file: MemoryFile, guest: Target, written: Uint8Array): Promise<void> {
  const { index } = file
  const zeros: number[] = []
  const stored: number[] = []
  index.pages.forEach((_, at) => (index.isZero(at) ? zeros : stored).push(at))
  const take = (at: number): boolean => {
    const page = index.pages[at] ?? 0
    if (written[page] === 1) return false
    written[page] = 1
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
    await guest.write(Uint32Array.from(pages), contents)
  }
  const empty = zeros.filter(take).map((at) => index.pages[at] ?? 0)
  await guest.write(
    Uint32Array.from(empty),
    empty.map(() => zeroPage),
  )
}
