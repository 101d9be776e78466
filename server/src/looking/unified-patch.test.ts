import { applyPatch } from "diff"
import fc from "fast-check"
import { expect, test } from "vitest"
import { textOf, unifiedPatch } from "./unified-patch.js"

const bytes = (text: string) => new TextEncoder().encode(text)

test("shows a change with three lines around it, as git does", () => {
  const lines = Array.from({ length: 20 }, (_, at) => `line ${at + 1}\n`)
  const after = lines.with(9, "another\n").toSpliced(15, 0, "one more\n")
  expect(unifiedPatch("/workspace/file", lines.join(""), after.join(""))).toBe(
    [
      "--- a/workspace/file",
      "+++ b/workspace/file",
      "@@ -7,12 +7,13 @@",
      ...[
        " line 7",
        " line 8",
        " line 9",
        "-line 10",
        "+another",
        " line 11",
        " line 12",
        " line 13",
        " line 14",
      ],
      ...[" line 15", "+one more", " line 16", " line 17", " line 18", ""],
    ].join("\n"),
  )
})

test("shows a file that came or went, and a last line without its end", () => {
  expect(unifiedPatch("/f", null, "a\nb")).toBe(
    "--- /dev/null\n+++ b/f\n@@ -0,0 +1,2 @@\n+a\n+b\n\\ No newline at end of file\n",
  )
  expect(unifiedPatch("/f", "a\n", null)).toBe("--- a/f\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-a\n")
  expect(unifiedPatch("/f", "a\n", "a")).toBe(
    "--- a/f\n+++ b/f\n@@ -1,1 +1,1 @@\n-a\n+a\n\\ No newline at end of file\n",
  )
})

test("is empty where no line differs", () => {
  expect(unifiedPatch("/f", "a\n", "a\n")).toBe("")
  expect(unifiedPatch("/f", null, "")).toBe("")
})

test("quotes a name as git does, so that it cannot pass for a line of the patch", () => {
  expect(unifiedPatch('/a\n+"b', "1\n", "2\n")).toMatch(/^--- "a\/a\\n\+\\"b"\n\+\+\+ "b\/a\\n\+\\"b"\n@@ /)
})

test("leads from the one text to the other", () => {
  const line = fc.constantFrom("", "a", "b", "a\r", "-", "+ c", "\\ No newline at end of file", "é")
  const text = fc
    .tuple(fc.array(line, { maxLength: 30 }), fc.boolean())
    .map(([lines, open]) => lines.map((one) => `${one}\n`).join("") + (open ? "open" : ""))
  const edited = text.chain((before) =>
    fc
      .tuple(
        fc.nat({ max: before.length }),
        fc.nat({ max: 5 }),
        fc.string({ unit: fc.constantFrom("a", "\n") }),
      )
      .map(([at, cut, put]) => [before, before.slice(0, at) + put + before.slice(at + cut)] as const),
  )
  fc.assert(
    fc.property(fc.oneof(fc.tuple(text, text), edited), ([before, after]) => {
      const patch = unifiedPatch("/f", before, after)
      expect(patch === "").toBe(before === after)
      if (patch !== "") expect(applyPatch(before, patch)).toBe(after)
    }),
  )
})

test("still leads there when the texts are too many lines to look for the shortest way", () => {
  const ends = ["first\n", "last\n"] as const
  const text = (word: string) => ends.join(`${word}\n`.repeat(40_000))
  const patch = unifiedPatch("/f", text("a"), text("b"))
  expect(applyPatch(text("a"), patch)).toBe(text("b"))
  expect(patch).toContain("@@ -1,40002 +1,40002 @@\n first\n-a\n")
})

test("finds a small change in a large file", () => {
  const text = "word\n".repeat(500_000)
  const patch = unifiedPatch("/f", text, `${text.slice(0, 1_000_000)}new\n${text.slice(1_000_000)}`)
  expect(patch.split("\n")).toHaveLength(11)
  expect(applyPatch(text, patch)).toHaveLength(text.length + 4)
})

test("takes for text what is UTF-8 without a zero byte", () => {
  expect(textOf(bytes("\uFEFFé\n"))).toBe("\uFEFFé\n")
  expect(textOf(bytes("a\0b"))).toBeUndefined()
  expect(textOf(Uint8Array.of(0x61, 0xff))).toBeUndefined()
})
