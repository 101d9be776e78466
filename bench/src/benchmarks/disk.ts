import type { Bench, Benchmark } from "../benchmark.js"
import { expectSuccess } from "../expect-success.js"
import { fill, hundredBytes } from "../filling.js"
import { settledLayerBytes } from "../layer-space.js"
import { repeat } from "../repetition.js"

const manySnapshots = 1_000

export const disk: Benchmark = {
  title: "the disk space of snapshots",
  measure: async (bench) => [
    {
      what: "disk of a snapshot after a change of 100 bytes",
      unit: "KB",
      values: await eachSnapshot(bench),
      target: 200,
    },
    {
      what: `disk of ${manySnapshots} such snapshots, compacted`,
      unit: "MB",
      values: [await allSnapshots(bench)],
      target: 300,
    },
  ],
}

/** In kilobytes. */
async function eachSnapshot(bench: Bench): Promise<number[]> {
  const { sandbox } = expectSuccess(await bench.client.create("disk"))
  let before = 0
  const values = await repeat({ warmUp: 2, count: 20 }, async () => {
    expectSuccess(await sandbox.run(hundredBytes))
    const now = await settledLayerBytes(bench)
    const added = (now - before) / 1e3
    before = now
    return added
  })
  expectSuccess(await sandbox.destroy())
  return values
}

/** In megabytes. */
async function allSnapshots(bench: Bench): Promise<number> {
  const before = await settledLayerBytes(bench)
  const { sandbox } = expectSuccess(await bench.client.create("disk"))
  await fill(sandbox, manySnapshots)
  const megabytes = ((await settledLayerBytes(bench)) - before) / 1e6
  expectSuccess(await sandbox.destroy())
  return megabytes
}
