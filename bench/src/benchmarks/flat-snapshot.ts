import type { Sandbox } from "opensandbox"
import type { Benchmark } from "../benchmark.js"
import { expectSuccess } from "../expect-success.js"
import { fill, hundredBytes } from "../filling.js"
import { settledLayerBytes } from "../layer-space.js"
import { median } from "../measurement.js"
import { repeat } from "../repetition.js"
import { millisecondsOf, withServerTimings } from "../server-timing.js"

const few = 10
const many = 1_000

export const flatSnapshot: Benchmark = {
  title: `the host's part of a snapshot after ${few} and after ${many}`,
  measure: async (bench) => {
    const { sandbox: withFew } = expectSuccess(await bench.client.create("flat-few"))
    const { sandbox: withMany } = expectSuccess(await bench.client.create("flat-many"))
    await fill(withFew, few)
    await fill(withMany, many)
    // Both machines have then run as many commands; only what they left behind differs.
    for (let command = few; command < many; command += 1) {
      expectSuccess(await withFew.run(hundredBytes, { snapshot: false }))
    }
    await settledLayerBytes(bench)

    // In turns, so that a noisy minute of the host falls on both.
    const pairs = await repeat({ warmUp: 5, count: 60 }, async () => ({
      few: await snapshotMilliseconds(withFew),
      many: await snapshotMilliseconds(withMany),
    }))
    expectSuccess(await withFew.destroy())
    expectSuccess(await withMany.destroy())
    const afterFew = pairs.map((pair) => pair.few)
    const afterMany = pairs.map((pair) => pair.many)
    return [
      { what: `host's part of a snapshot after ${few} others`, unit: "ms", values: afterFew },
      { what: `host's part of a snapshot after ${many} others`, unit: "ms", values: afterMany, target: 2.5 },
      {
        what: "- its median against that of the former",
        unit: "x",
        values: [median(afterMany) / median(afterFew)],
        target: 1.3,
      },
    ]
  },
}

async function snapshotMilliseconds(sandbox: Sandbox): Promise<number> {
  const [result, timings] = await withServerTimings(() => sandbox.run(hundredBytes))
  expectSuccess(result)
  return millisecondsOf(timings, "snapshot")
}
