import fc from "fast-check"
import { expect, test } from "vitest"
import { Output } from "./output.js"

const bytes = (text: string) => new TextEncoder().encode(text)

test("gives back the text however it was cut into chunks", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.array(fc.nat({ max: 20 })), (text, cuts) => {
      const output = new Output(100_000)
      let rest = bytes(text)
      for (const cut of cuts) {
        output.add(rest.subarray(0, cut))
        rest = rest.subarray(cut)
      }
      output.add(rest)
      expect(output.text()).toBe(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes(text)))
      expect(output.truncated).toBe(false)
    }),
  )
})

test("keeps the first bytes, never half a character, and says that it was cut", () => {
  const output = new Output(4)
  output.add(bytes("aé"))
  output.add(bytes("éz"))
  expect(output.text()).toBe("aé")
  expect(output.truncated).toBe(true)
})

test("does not call full what fits exactly", () => {
  const output = new Output(2)
  output.add(bytes("ab"))
  expect([output.text(), output.truncated]).toEqual(["ab", false])
})

test("shows bytes that are no UTF-8 as replacement characters", () => {
  const output = new Output(10)
  output.add(Uint8Array.of(0x61, 0xff, 0x62))
  expect(output.text()).toBe("a\uFFFDb")
})

test("gives bytes in base64", () => {
  const output = new Output(3)
  output.add(Uint8Array.of(0, 255))
  output.add(Uint8Array.of(128, 1))
  expect(output.encoded("base64")).toBe("AP+A")
  expect(output.encoded("utf8")).toBe("\0\uFFFD\uFFFD")
})
