import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { keyOf } from "./recipe.js"

describe("keyOf", () => {
  it("does not depend on the order of the parts", () => {
    expect(keyOf({ a: 1, b: 2 })).toBe(keyOf({ b: 2, a: 1 }))
  })

  it("differs whenever a part differs", () => {
    const parts = fc.dictionary(fc.string(), fc.string())
    fc.assert(
      fc.property(parts, parts, (one, other) => {
        const same =
          Object.keys(one).length === Object.keys(other).length &&
          Object.entries(one).every(([name, value]) => Object.hasOwn(other, name) && other[name] === value)
        expect(keyOf(one) === keyOf(other)).toBe(same)
      }),
    )
  })

  it("is a file name", () => {
    expect(keyOf({ script: "a/b\n" })).toMatch(/^[0-9a-f]{20}$/)
  })
})
