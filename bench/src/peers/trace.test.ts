import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import fc from "fast-check"
import { expect, test } from "vitest"
import { contentHash } from "./content.js"
import { runOnHost } from "./host-program.js"
import { makeTrace } from "./trace.js"

const seeds = fc.integer()
const lengths = fc.integer({ min: 10, max: 200 })

test("a trace comes from its seed alone, and has all kinds of steps", () => {
  fc.assert(
    fc.property(seeds, lengths, (seed, length) => {
      const trace = makeTrace(seed, length)
      expect(trace).toEqual(makeTrace(seed, length))
      expect(trace).toHaveLength(length)
      const count = (kind: string) => trace.filter((step) => step.kind === kind).length
      expect([count("burst"), count("large file")]).toEqual([3, 3])
    }),
    { numRuns: 20 },
  )
})

test("every command of a trace ends well, and those that should change nothing do not", async () => {
  const place = await mkdtemp(join(tmpdir(), "trace-"))
  try {
    // No other step depends on the files of the large ones.
    const steps = makeTrace(7, 50).filter(({ kind }) => kind === "unchanged" || kind === "small change")
    let before = ""
    for (const { kind, command } of steps) {
      await runOnHost(place, command)
      const content = await runOnHost(place, contentHash)
      if (kind === "unchanged") expect(content, command).toBe(before)
      else expect(content, command).not.toBe(before)
      before = content
    }
  } finally {
    await rm(place, { recursive: true })
  }
})
