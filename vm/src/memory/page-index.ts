import { hashBytes, zeroHash } from "./page.js"

/** What pages hold, without holding it: their numbers and the hashes of their contents. */
export class PageIndex {
  /** In ascending order, none twice. */
  readonly pages: Uint32Array
  readonly #hashes: Buffer

  /** @param hashes One after the other, in the order of the pages. */
  constructor(pages: Uint32Array, hashes: Uint8Array) {
    this.pages = pages
    this.#hashes = Buffer.from(hashes.buffer, hashes.byteOffset, hashes.byteLength)
  }

  static readonly empty = new PageIndex(new Uint32Array(0), new Uint8Array(0))

  /** Of all pages, one after the other. */
  get hashes(): Uint8Array {
    return this.#hashes
  }

  /** Whether the page at a position holds only zeros. */
  isZero(at: number): boolean {
    return this.#same(at, zeroHash, 0)
  }

  /** The positions of the pages that `base` does not know, or knows with another content. */
  changedSince(base: PageIndex): number[] {
    const changed: number[] = []
    let below = 0
    for (let at = 0; at < this.pages.length; at++) {
      const page = this.pages[at] ?? 0
      while ((base.pages[below] ?? Infinity) < page) below++
      const known = base.pages[below] === page && this.#same(at, base.#hashes, below)
      if (!known) changed.push(at)
    }
    return changed
  }

  /** The pages at some positions alone. @param positions In ascending order. */
  pick(positions: readonly number[]): PageIndex {
    const hashes = new Uint8Array(positions.length * hashBytes)
    positions.forEach((at, to) => {
      hashes.set(this.#hash(at), to * hashBytes)
    })
    return new PageIndex(
      Uint32Array.from(positions, (at) => this.pages[at] ?? 0),
      hashes,
    )
  }

  /** These pages and those of `base` that are not among them. */
  over(base: PageIndex): PageIndex {
    const pages: number[] = []
    const hashes: Uint8Array[] = []
    let below = 0
    const takeBelow = (before: number) => {
      for (; (base.pages[below] ?? Infinity) < before; below++) {
        pages.push(base.pages[below] ?? 0)
        hashes.push(base.#hash(below))
      }
    }
    this.pages.forEach((page, at) => {
      takeBelow(page)
      if (base.pages[below] === page) below++
      pages.push(page)
      hashes.push(this.#hash(at))
    })
    takeBelow(Infinity)
    return new PageIndex(Uint32Array.from(pages), Buffer.concat(hashes))
  }

  /** Whether all pages of another index are among these. */
  covers(other: PageIndex): boolean {
    let at = 0
    for (const page of other.pages) {
      while ((this.pages[at] ?? Infinity) < page) at++
      if (this.pages[at] !== page) return false
    }
    return true
  }

  #hash(at: number): Uint8Array {
    return this.#hashes.subarray(at * hashBytes, (at + 1) * hashBytes)
  }

  #same(at: number, hashes: Uint8Array, otherAt: number): boolean {
    return (
      this.#hashes.compare(
        hashes,
        otherAt * hashBytes,
        (otherAt + 1) * hashBytes,
        at * hashBytes,
        (at + 1) * hashBytes,
      ) === 0
    )
  }
}
