import fc from "fast-check"
import { expect, test } from "vitest"
import { fromBase64, toBase64 } from "./base64.js"

test("bytes come back as they were, and are written as others write them", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20_000, size: "max" }), (bytes) => {
      const text = toBase64(bytes)
      expect(text).toBe(Buffer.from(bytes).toString("base64"))
      expect(fromBase64(text)).toEqual(Uint8Array.from(bytes))
    }),
    { numRuns: 30 },
  )
})

test("a text that is no base64 stands for nothing", () => {
  expect(fromBase64("a")).toBeUndefined()
  expect(fromBase64("ä===")).toBeUndefined()
})
