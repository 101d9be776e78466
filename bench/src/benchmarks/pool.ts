import { setTimeout as sleep } from "node:timers/promises"
import { Client } from "opensandbox"
import type { Benchmark } from "../benchmark.js"
import { expectSuccess } from "../expect-success.js"
import type { Measurement } from "../measurement.js"
import { elapsed, repeat } from "../repetition.js"
import { ServerMetrics } from "../server-metrics.js"
import type { Workplace } from "../workplace.js"

const poolSize = 2

/** A pool that is not full by then is not filled at all. */
const fillMilliseconds = 60_000
const lookMilliseconds = 100

export const pool: Benchmark = {
  title: "starts on machines that are ready",
  measure: async ({ workplace }) => [
    ...(await measured(workplace, poolSize)),
    // The same without any, for comparison.
    ...(await measured(workplace, 0)),
  ],
}

async function measured(workplace: Workplace, size: number): Promise<Measurement[]> {
  const server = await workplace.startServer({ dataDirectory: await workplace.directory(), poolSize: size })
  const client = new Client(workplace.apiKey, server.url)
  const metrics = new ServerMetrics(server.url, workplace.apiKey)
  const from = size > 0 ? "from the pool" : "without a pool"
  const creations = await repeat({ warmUp: 2, count: 20 }, async (repetition) => {
    await untilFull(metrics, size)
    const name = `pool-${repetition}`
    const taken = await elapsed(async () => {
      expectSuccess(await client.create(name))
      expectSuccess(await client.sandbox(name).run("true"))
    })
    expectSuccess(await client.sandbox(name).destroy())
    return taken
  })
  const { sandbox } = expectSuccess(await client.create("pool-restore"))
  const { snapshot } = expectSuccess(await sandbox.run("head -c 100000 /dev/urandom > file"))
  const restores = await repeat({ warmUp: 2, count: 20 }, async () => {
    expectSuccess(await sandbox.run("date > later"))
    await untilFull(metrics, size)
    return elapsed(async () => {
      expectSuccess(await sandbox.restore(snapshot))
      expectSuccess(await sandbox.run("true"))
    })
  })
  await server.stop()
  return [
    {
      what: `create() ${from}, until the first command has answered`,
      unit: "ms",
      values: creations,
      ...(size > 0 && { target: 130 }),
    },
    {
      what: `restore() ${from}, until the first command has answered`,
      unit: "ms",
      values: restores,
      ...(size > 0 && { target: 150 }),
    },
  ]
}

/** Waits until as many machines are ready as the server keeps. */
async function untilFull(metrics: ServerMetrics, size: number): Promise<void> {
  const end = performance.now() + fillMilliseconds
  const ready = async () => (await metrics.read("opensandbox_warm_machines")).opensandbox_warm_machines
  while ((await ready()) < size) {
    if (performance.now() > end) throw new Error(`no ${size} machines were ready in time`)
    await sleep(lookMilliseconds)
  }
}
