import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { compactionPlan, type ChainLayer } from "./compaction-plan.js"

function layer(number: number, properties: Partial<ChainLayer> = {}): ChainLayer {
  return {
    id: `l${number}`,
    parent_id: null,
    image_key: "i",
    number,
    state: "sealed",
    sandbox_id: null,
    bytes: 100,
    length: null,
    modified_us: null,
    checksum: null,
    damage: null,
    created_at: 0,
    needed: true,
    ...properties,
  }
}

/** The plan for a chain that still shows all of each layer, where nothing else is said. */
function plan(chain: ChainLayer[], shown: Record<string, number> = {}) {
  const all = new Map(chain.map(({ id, bytes }) => [id, shown[id] ?? bytes ?? 0]))
  return compactionPlan(chain, () => Promise.resolve(all))
}

/** What the plan takes in and where it comes to rest. */
async function planned(chain: ChainLayer[], shown?: Record<string, number>) {
  const made = await plan(chain, shown)
  return made && [made.reason, made.base, made.between.map(({ number }) => number)]
}

const numbered = (...numbers: number[]) => numbers.map((number) => layer(number))

describe("depth", () => {
  test("only multiples of eight take in others", async () => {
    expect(await planned(numbered(1, 2, 3))).toBeUndefined()
    expect(await planned(numbered(8))).toBeUndefined()
  })

  test("a multiple of 8 takes in the seven before it, a multiple of 64 all back to the one 64 before", async () => {
    expect(await planned(numbered(1, 2, 3, 4, 5, 6, 7, 8))).toEqual(["depth", null, [1, 2, 3, 4, 5, 6, 7]])
    expect(await planned(numbered(8, 9, 10, 11, 12, 13, 14, 15, 16))).toEqual([
      "depth",
      "l8",
      [9, 10, 11, 12, 13, 14, 15],
    ])
    const to64 = numbered(8, 16, 24, 32, 40, 48, 56, 57, 58, 59, 60, 61, 62, 63, 64)
    expect((await planned(to64))?.[1]).toBeNull()
    expect(await planned(numbered(64, 72, 80, 88, 96, 104, 112, 120, 127, 128))).toEqual([
      "depth",
      "l64",
      [72, 80, 88, 96, 104, 112, 120, 127],
    ])
  })

  test("makes up for one that did not happen", async () => {
    expect(await planned(numbered(1, 2, 7, 8, 9, 15, 16))).toEqual(["depth", "l8", [9, 15]])
    expect(await planned(numbered(1, 2, 9, 15, 16))).toEqual(["depth", "l2", [9, 15]])
  })

  test("keeps every chain as short as the digits of its number say, whatever is deleted", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 5000 }), async (count) => {
        const chains = new Map<number, ChainLayer[]>([[0, []]])
        for (let number = 1; number <= count; number++) {
          const chain = [...(chains.get(number - 1) ?? []), layer(number)]
          const made = await plan(chain)
          const base = made === undefined ? chain.length - 2 : chain.findIndex(({ id }) => id === made.base)
          chains.set(number, [...chain.slice(0, base + 1), layer(number)])
          if (number > 8) chains.delete(number - 9)
        }
        const digits = Array.from(count.toString(8), Number).reduce((sum, digit) => sum + digit, 0)
        expect(chains.get(count)).toHaveLength(digits)
      }),
      { numRuns: 10 },
    )
  })
})

describe("reclaim", () => {
  const unneeded = (number: number, bytes = 100) => layer(number, { needed: false, bytes })

  test("takes in what nobody needs, and nothing that somebody does", async () => {
    expect(await planned([layer(1), unneeded(2), unneeded(3), layer(4)])).toEqual(["reclaim", "l1", [2, 3]])
    expect(await planned([unneeded(1), layer(2), layer(3)])).toBeUndefined()
    expect(await planned([unneeded(1), layer(2)])).toEqual(["reclaim", null, [1]])
  })

  test("leaves a much larger one until enough has come together", async () => {
    expect(await planned([unneeded(1, 401), layer(2)])).toBeUndefined()
    expect(await planned([unneeded(1, 400), layer(2)])).toEqual(["reclaim", null, [1]])
    expect(await planned([unneeded(1, 801), unneeded(2), layer(3)])).toEqual(["reclaim", "l1", [2]])
    expect(await planned([unneeded(1, 800), unneeded(2), layer(3)])).toEqual(["reclaim", null, [1, 2]])
  })

  test("takes in a much larger one that is hardly to be seen any more", async () => {
    const chain = [layer(1), unneeded(2, 10_000), layer(3)]
    expect(await planned(chain, { l2: 0 })).toEqual(["reclaim", "l1", [2]])
    expect(await planned(chain, { l2: 8000 })).toEqual(["reclaim", "l1", [2]])
    expect(await planned(chain, { l2: 8001 })).toBeUndefined()
    expect(await planned([unneeded(1, 401), unneeded(2, 10_000), layer(3)], { l2: 10 })).toEqual([
      "reclaim",
      null,
      [1, 2],
    ])
  })

  test("leaves it to the layer above when the layer itself goes", async () => {
    expect(await planned([unneeded(1), unneeded(2)])).toBeUndefined()
  })

  test("reaches further down than depth asks for", async () => {
    const chain = [layer(1), unneeded(8), ...numbered(9, 15, 16)]
    expect(await planned(chain)).toEqual(["depth", "l1", [8, 9, 15]])
  })

  test("never touches a layer that is written to", async () => {
    expect(await planned([unneeded(1), layer(2, { state: "head" })])).toBeUndefined()
    expect(await plan([])).toBeUndefined()
  })

  test("what waits to be taken in is a few layers of growing size, and each byte is copied a few times", async () => {
    // The oldest snapshot is deleted each time that one is taken, as with "keep the last ten".
    const kept = 10
    let chain: ChainLayer[] = []
    let copied = 0
    for (let number = 1; number <= 2000; number++) {
      chain = [...chain, layer(number * 8 + 1)]
      const oldest = chain.findIndex(({ needed }) => needed)
      if (chain.length - oldest <= kept) continue
      chain = chain.map((each, at) => (at === oldest ? { ...each, needed: false } : each))
      const above = chain.slice(0, oldest + 2)
      const made = await plan(above)
      if (made === undefined) continue
      const bytes = [...made.between, ...above.slice(-1)].reduce((sum, each) => sum + (each.bytes ?? 0), 0)
      copied += bytes
      const base = chain.findIndex(({ id }) => id === made.base)
      const tops = above.slice(-1).map((top) => ({ ...top, bytes }))
      chain = [...chain.slice(0, base + 1), ...tops, ...chain.slice(oldest + 2)]
    }
    expect(chain.length).toBeLessThan(kept + 12)
    expect(copied / (2000 * 100)).toBeLessThan(12)
  })
})
