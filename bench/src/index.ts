import { Client } from "opensandbox"
import type { Benchmark } from "./benchmark.js"
import { busy } from "./benchmarks/busy.js"
import { compaction } from "./benchmarks/compaction.js"
import { create } from "./benchmarks/create.js"
import { disk } from "./benchmarks/disk.js"
import { download } from "./benchmarks/download.js"
import { flatRestore } from "./benchmarks/flat-restore.js"
import { flatSnapshot } from "./benchmarks/flat-snapshot.js"
import { fork } from "./benchmarks/fork.js"
import { memory } from "./benchmarks/memory.js"
import { pool } from "./benchmarks/pool.js"
import { port } from "./benchmarks/port.js"
import { restore } from "./benchmarks/restore.js"
import { run } from "./benchmarks/run.js"
import { startup } from "./benchmarks/startup.js"
import { stream } from "./benchmarks/stream.js"
import { unchanged } from "./benchmarks/unchanged.js"
import { wholeMachine } from "./benchmarks/whole-machine.js"
import { describeHost, hostLines } from "./host.js"
import type { Measurement } from "./measurement.js"
import { table, writeMeasurements } from "./report.js"
import { ServerMetrics } from "./server-metrics.js"
import { Workplace } from "./workplace.js"

export { comparePeers } from "./peers/compare.js"

/** By the names that they are chosen by. */
const benchmarks: Readonly<Record<string, Benchmark>> = {
  startup,
  create,
  run,
  unchanged,
  restore,
  pool,
  "flat-snapshot": flatSnapshot,
  "flat-restore": flatRestore,
  fork,
  memory,
  "whole-machine": wholeMachine,
  disk,
  compaction,
  port,
  stream,
  download,
  busy,
}

/**
 * Runs benchmarks against servers of their own, writes the result to `bench/results/` and a table to the terminal.
 * A target that is missed is no failure: the table says so.
 *
 * @param names Which ones; all when empty.
 * @throws Error when there is none of a name, or when something could not be measured.
 */
export async function runBenchmarks(names: readonly string[]): Promise<void> {
  const chosen = names.length === 0 ? Object.values(benchmarks) : names.map(benchmarkNamed)
  await Workplace.during((workplace) => measureAll(workplace, chosen))
}

function benchmarkNamed(name: string): Benchmark {
  const benchmark = benchmarks[name]
  if (benchmark === undefined) {
    throw new Error(`There is no benchmark "${name}"; there are: ${Object.keys(benchmarks).join(", ")}.`)
  }
  return benchmark
}

async function measureAll(workplace: Workplace, chosen: readonly Benchmark[]): Promise<void> {
  const date = new Date()
  const dataDirectory = await workplace.directory()
  const server = await workplace.startServer({ dataDirectory })
  const client = new Client(workplace.apiKey, server.url)
  const metrics = new ServerMetrics(server.url, workplace.apiKey)
  const host = await describeHost(client)
  console.log(hostLines(host))

  const measurements: Measurement[] = []
  for (const { title, measure } of chosen) {
    console.log(`Measuring ${title}`)
    measurements.push(...(await measure({ client, dataDirectory, metrics, workplace })))
  }
  console.log(`\n${table(measurements)}\n\n${await writeMeasurements(date, host, measurements)}`)
}
