import type { Benchmark } from "../benchmark.js"
import { expectSuccess } from "../expect-success.js"
import { repeat } from "../repetition.js"

export const create: Benchmark = {
  title: "the creation of a sandbox",
  measure: async ({ client }) => {
    const values = await repeat({ warmUp: 2, count: 20 }, async (repetition) => {
      const start = performance.now()
      const created = await client.create(`create-${repetition}`)
      const milliseconds = performance.now() - start
      expectSuccess(await expectSuccess(created).sandbox.destroy())
      return milliseconds
    })
    return [{ what: "create()", unit: "ms", values, target: 350 }]
  },
}
