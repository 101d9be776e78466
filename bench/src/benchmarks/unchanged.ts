import type { Benchmark } from "../benchmark.js"
import { expectSuccess } from "../expect-success.js"
import { settledLayerBytes } from "../layer-space.js"
import { median } from "../measurement.js"
import { elapsed, repeat } from "../repetition.js"

/** Changes nothing. */
const command = "true"

export const unchanged: Benchmark = {
  title: "a snapshot where nothing changed",
  measure: async (bench) => {
    const { sandbox } = expectSuccess(await bench.client.create("unchanged"))
    const withSnapshot = async () => expectSuccess(await sandbox.run(command))
    const without = async () => expectSuccess(await sandbox.run(command, { snapshot: false }))

    await repeat({ warmUp: 10, count: 0 }, withSnapshot)
    const before = await settledLayerBytes(bench)
    const pairs = await repeat({ warmUp: 10, count: 200 }, async (repetition) => {
      // Each is the first one as often as the other.
      if (repetition % 2 === 0) return { with: await elapsed(withSnapshot), without: await elapsed(without) }
      const first = await elapsed(without)
      return { with: await elapsed(withSnapshot), without: first }
    })
    const kilobytes = ((await settledLayerBytes(bench)) - before) / 1e3
    expectSuccess(await sandbox.destroy())

    const [long, short] = [pairs.map((pair) => pair.with), pairs.map((pair) => pair.without)]
    return [
      { what: `run("${command}")`, unit: "ms", values: long },
      { what: `run("${command}", { snapshot: false })`, unit: "ms", values: short },
      {
        what: "- by how much the former's median is longer",
        unit: "ms",
        values: [median(long) - median(short)],
        target: 1.5,
      },
      { what: "- disk of all those snapshots", unit: "KB", values: [kilobytes], target: 0 },
    ]
  },
}
