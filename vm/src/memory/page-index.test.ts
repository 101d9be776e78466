import fc from "fast-check"
import { expect, test } from "vitest"
import { hashBytes, hashPage, pageBytes } from "./page.js"
import { PageIndex } from "./page-index.js"

/** Pages of a small guest, each with one of a few contents. */
const guest = fc
  .uniqueArray(fc.tuple(fc.nat({ max: 60 }), fc.nat({ max: 3 })), { selector: ([page]) => page })
  .map((pages) => new Map(pages.toSorted(([a], [b]) => a - b)))

const hashes = [0, 1, 2, 3].map((fill) => hashPage(new Uint8Array(pageBytes).fill(fill)))

function indexOf(pages: ReadonlyMap<number, number>): PageIndex {
  return new PageIndex(
    Uint32Array.from(pages.keys()),
    Buffer.concat([...pages.values()].map((fill) => hashes[fill] ?? Buffer.alloc(hashBytes))),
  )
}

function contentsOf(index: PageIndex): [number, string][] {
  return [...index.pages].map((page, at) => [
    page,
    Buffer.from(index.hashes.subarray(at * hashBytes, (at + 1) * hashBytes)).toString("hex"),
  ])
}

test("what changed, laid over what was before, is what is now", () => {
  fc.assert(
    fc.property(guest, guest, (before, change) => {
      const now = new Map([...before, ...change].toSorted(([a], [b]) => a - b))
      const [old, present] = [indexOf(before), indexOf(now)]
      const changed = present.pick(present.changedSince(old))
      expect(contentsOf(changed.over(old))).toEqual(contentsOf(present))
      expect([...changed.pages].every((page) => before.get(page) !== now.get(page))).toBe(true)
    }),
  )
})

test("covers another when no page of that is missing", () => {
  fc.assert(
    fc.property(guest, guest, (one, other) => {
      const missing = [...other.keys()].some((page) => !one.has(page))
      expect(indexOf(one).covers(indexOf(other))).toBe(!missing)
    }),
  )
})

test("knows pages that hold only zeros", () => {
  const index = indexOf(
    new Map([
      [1, 0],
      [2, 1],
    ]),
  )
  expect([index.isZero(0), index.isZero(1)]).toEqual([true, false])
})
