import fc from "fast-check"
import { expect, test } from "vitest"
import { LineSplitter } from "./line-splitter.js"

test("gives the same lines however the stream is cut", () => {
  const line = fc.string({ maxLength: 40 }).map((text) => text.replaceAll("\n", " "))
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat({ max: 50 })), (lines, cuts) => {
      const splitter = new LineSplitter(1000)
      let rest = lines.map((text) => `${text}\n`).join("")
      const got: string[] = []
      for (const cut of cuts) {
        got.push(...splitter.push(rest.slice(0, cut)))
        rest = rest.slice(cut)
      }
      got.push(...splitter.push(rest))
      expect(got).toEqual(lines)
    }),
  )
})

test("refuses a line without end", () => {
  const splitter = new LineSplitter(10)
  splitter.push("12345")
  expect(() => splitter.push("678901")).toThrow(RangeError)
  expect(() => new LineSplitter(10).push("12345678901\n")).toThrow(RangeError)
})
