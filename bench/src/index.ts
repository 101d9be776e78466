import { Client } from "opensandbox"
import { create } from "./benchmarks/create.js"
import { disk } from "./benchmarks/disk.js"
import { memory } from "./benchmarks/memory.js"
import { restore } from "./benchmarks/restore.js"
import { run } from "./benchmarks/run.js"
import { startup } from "./benchmarks/startup.js"
import { describeHost } from "./host.js"
import type { Measurement } from "./measurement.js"
import { table, writeResult } from "./report.js"
import { Workplace } from "./workplace.js"

const benchmarks = [startup, create, run, restore, memory, disk]

/**
 * Runs all benchmarks against servers of its own, writes the result to `bench/results/` and a table to the terminal.
 * A target that is missed is no failure: the table says so.
 *
 * @throws Error when something could not be measured.
 */
export async function runBenchmarks(): Promise<void> {
  const workplace = new Workplace()
  const interrupted = () => void workplace.close().then(() => process.exit(1))
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, interrupted)
  try {
    await measureAll(workplace)
  } finally {
    await workplace.close()
  }
}

async function measureAll(workplace: Workplace): Promise<void> {
  const date = new Date()
  const dataDirectory = await workplace.directory()
  const server = await workplace.startServer({ dataDirectory })
  const client = new Client(workplace.apiKey, server.url)
  const host = await describeHost(client)
  console.log(
    Object.entries(host)
      .map(([name, value]) => `${name}: ${value}`)
      .join("\n"),
  )

  const measurements: Measurement[] = []
  for (const { title, measure } of benchmarks) {
    console.log(`Measuring ${title}`)
    measurements.push(...(await measure({ client, dataDirectory, workplace })))
  }
  console.log(`\n${table(measurements)}\n\n${await writeResult(date, host, measurements)}`)
}
