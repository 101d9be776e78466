/** Bytes of an entry of /proc/PID/pagemap; see the kernel's documentation of it. */
export const pagemapEntryBytes = 8

// Of an entry's upper half.
const present = 1 << 31
const swapped = 1 << 30
const fileOrShared = 1 << 29

/**
 * The pages of a private file mapping that were written to: they are in memory or swapped out, and no longer the file's.
 *
 * @param entries A part of /proc/PID/pagemap.
 * @param first The number of the page that the first entry is about.
 */
export function writtenPages(entries: Uint8Array, first: number): Uint32Array {
  const words = new Uint32Array(entries.buffer, entries.byteOffset, entries.byteLength / 4)
  const pages = new Uint32Array(words.length / 2)
  let count = 0
  for (let at = 1; at < words.length; at += 2) {
    const word = words[at] ?? 0
    if ((word & (present | swapped)) !== 0 && (word & fileOrShared) === 0) pages[count++] = first + (at >> 1)
  }
  return pages.slice(0, count)
}

/** Neighbouring pages, as one range: its first page and how many there are. */
export interface PageRun {
  readonly first: number
  readonly count: number
}

/** @param pages In ascending order. @param longest The most pages of one run. */
export function* runsOf(pages: Uint32Array, longest: number): Iterable<PageRun> {
  for (let at = 0; at < pages.length;) {
    const first = pages[at] ?? 0
    let count = 1
    while (count < longest && pages[at + count] === first + count) count++
    yield { first, count }
    at += count
  }
}
