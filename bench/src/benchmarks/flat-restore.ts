import type { Sandbox } from "opensandbox"
import type { Bench, Benchmark } from "../benchmark.js"
import { expectSuccess } from "../expect-success.js"
import { fill } from "../filling.js"
import { settledLayerBytes } from "../layer-space.js"
import { median, type Measurement } from "../measurement.js"
import { elapsed, repeat } from "../repetition.js"

const few = 10
const many = 1_000

/** Where to go among so many snapshots. From the last to the first: a restore deletes what comes after. */
const places = [
  { name: "last", index: (count: number) => count - 1 },
  { name: "middle", index: (count: number) => count / 2 },
  { name: "first", index: () => 0 },
]

export const flatRestore: Benchmark = {
  title: `the way back among ${few} and among ${many} snapshots`,
  measure: async (bench) => {
    const { sandbox: withFew } = expectSuccess(await bench.client.create("flat-few"))
    const { sandbox: withMany } = expectSuccess(await bench.client.create("flat-many"))
    const rounds = await repeat({ warmUp: 0, count: 5 }, async () => {
      const round: { few: number; many: number }[] = []
      for (const { index } of places) {
        round.push({
          few: await restoreMilliseconds(bench, withFew, few, index(few)),
          many: await restoreMilliseconds(bench, withMany, many, index(many)),
        })
      }
      return round
    })
    expectSuccess(await withFew.destroy())
    expectSuccess(await withMany.destroy())
    return places.flatMap(({ name }, place) => {
      const pairs = rounds.flatMap((round) => round[place] ?? [])
      return measurements(
        name,
        pairs.map((pair) => pair.few),
        pairs.map((pair) => pair.many),
      )
    })
  },
}

async function restoreMilliseconds(
  bench: Bench,
  sandbox: Sandbox,
  snapshotCount: number,
  index: number,
): Promise<number> {
  const snapshots = await fill(sandbox, snapshotCount)
  // A restore would wait for what the filling left to compact.
  await settledLayerBytes(bench)
  const milliseconds = await elapsed(async () => expectSuccess(await sandbox.restore(snapshots[index] ?? "")))
  const { stdout } = expectSuccess(await sandbox.run("touch file; wc -l < file", { snapshot: false }))
  if (Number(stdout) !== index)
    throw new Error(`the restore brought back ${stdout.trim()} changes, not ${index}`)
  return milliseconds
}

function measurements(place: string, amongFew: number[], amongMany: number[]): Measurement[] {
  return [
    { what: `restore() to the ${place} of ${few} snapshots`, unit: "ms", values: amongFew },
    { what: `restore() to the ${place} of ${many} snapshots`, unit: "ms", values: amongMany },
    {
      what: "- its median against that of the former",
      unit: "x",
      values: [median(amongMany) / median(amongFew)],
      target: 1.3,
    },
  ]
}
