import fc from "fast-check"
import { expect, test } from "vitest"
import type { LayerRow } from "../store/tables.js"
import { chainOf } from "./chain.js"
import { mergePlan, takesIn } from "./merge-plan.js"

/** A sandbox's layers, of which some merges fail. */
class History {
  readonly layers: LayerRow[] = []

  seal(parent: string | null, merges: boolean): string {
    const number = (this.layers.find((layer) => layer.id === parent)?.number ?? 0) + 1
    const layer = {
      id: `l${this.layers.length}`,
      sandbox_id: 1,
      parent_id: parent,
      number,
      state: "sealed",
    } as const
    this.layers.push({ ...layer, created_at: 0 })
    const plan = mergePlan(this.layers, layer.id)
    const last = this.layers.at(-1)
    if (plan !== undefined && merges && last !== undefined) last.parent_id = plan.base
    return layer.id
  }
}

function digitSum(number: number): number {
  return Array.from(number.toString(8), Number).reduce((sum, digit) => sum + digit, 0)
}

test("keeps each chain as short as the sum of its number's digits in base 8", () => {
  const history = new History()
  let head: string | null = null
  for (let number = 1; number <= 2000; number++) {
    head = history.seal(head, true)
    expect(chainOf(history.layers, head)).toHaveLength(digitSum(number))
  }
})

test("takes in exactly what lies between, and catches up with merges that failed", () => {
  const branch = fc.tuple(fc.nat(), fc.double({ min: 0, max: 1, noNaN: true }), fc.boolean())
  fc.assert(
    fc.property(fc.array(branch, { minLength: 1, maxLength: 300 }), (steps) => {
      const history = new History()
      let head: string | null = null
      for (const [pick, chance, merges] of steps) {
        // Now and then a restore goes back to any earlier layer.
        if (chance < 0.05) head = history.layers[pick % Math.max(1, history.layers.length)]?.id ?? null
        const before = head
        head = history.seal(before, false)
        const plan = mergePlan(history.layers, head)
        if (plan === undefined) continue
        expect(takesIn(history.layers.at(-1)?.number ?? 0)).toBe(true)
        const whole = chainOf(history.layers, head)
        expect([...chainOf(history.layers, plan.base), ...plan.between, head]).toEqual(whole)
        const top = history.layers.at(-1)
        if (merges && top !== undefined) top.parent_id = plan.base
      }
    }),
  )
})

test("does nothing for the layers in between", () => {
  const history = new History()
  let head: string | null = null
  for (let number = 1; number <= 7; number++) {
    head = history.seal(head, true)
    expect(mergePlan(history.layers, head)).toBeUndefined()
  }
})
