import fc from "fast-check"
import { expect, test } from "vitest"
import { parseByteSize, showByteSize } from "./byte-size.js"

test.each([
  ["1", 1],
  ["500M", 500_000_000],
  ["2G", 2_000_000_000],
  ["1.5G", 1_500_000_000],
  ["1.5 GB", 1_500_000_000],
  ["10kb", 10_000],
  ["0.001k", 1],
  ["9T", 9_000_000_000_000],
])("the size %j is %d bytes", (text, bytes) => {
  expect(parseByteSize(text)).toBe(bytes)
})

test.each([
  "",
  "0",
  "0.1",
  "-1",
  "M",
  "1.",
  ".5G",
  "1e3",
  "5 X",
  "5MiB",
  "none",
  " 5",
  "9".repeat(20),
  "99999T",
])("%j is no size", (text) => {
  expect(() => parseByteSize(text)).toThrow("It is a size")
})

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [1000, "1.0 kB"],
  [9_949, "9.9 kB"],
  [9_950, "10 kB"],
  [142_857, "143 kB"],
  [999_499, "999 kB"],
  [999_500, "1.0 MB"],
  [1_500_000_000, "1.5 GB"],
  [2_500_000_000_000_000, "2500 TB"],
])("%d bytes are shown as %s", (bytes, text) => {
  expect(showByteSize(bytes)).toBe(text)
})

test("what is shown can be read again, and is right to two digits", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9e14 }), (bytes) => {
      const again = parseByteSize(showByteSize(bytes))
      expect(Math.abs(again - bytes)).toBeLessThanOrEqual(bytes * 0.05)
    }),
  )
})
