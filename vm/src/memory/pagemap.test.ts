import fc from "fast-check"
import { expect, test } from "vitest"
import { runsOf, writtenPages } from "./pagemap.js"

const [present, swapped, file] = [1n << 63n, 1n << 62n, 1n << 61n]

test("finds the pages that are the process's own, in memory or swapped out, and no longer the file's", () => {
  const entries = [0n, present | file | 77n, present | 5n, swapped | 9n, file, present | file, present]
  const bytes = new Uint8Array(BigUint64Array.from(entries).buffer)
  expect([...writtenPages(bytes, 100)]).toEqual([102, 103, 106])
})

test("takes neighbours together, each page once and in order", () => {
  const pages = fc.uniqueArray(fc.nat({ max: 200 })).map((pages) => Uint32Array.from(pages).toSorted())
  fc.assert(
    fc.property(pages, fc.integer({ min: 1, max: 9 }), (pages, longest) => {
      const runs = [...runsOf(pages, longest)]
      const again = runs.flatMap(({ first, count }) => Array.from({ length: count }, (_, at) => first + at))
      expect(again).toEqual([...pages])
      expect(runs.every(({ count }) => count >= 1 && count <= longest)).toBe(true)
    }),
  )
})
