import type { Process, Sandbox } from "opensandbox"
import type { Benchmark } from "../benchmark.js"
import { expectSuccess } from "../expect-success.js"
import { percentile, type Measurement } from "../measurement.js"
import { elapsed, repeat } from "../repetition.js"

const processCount = 50

const line = "x".repeat(99)

/** Prints ten lines a second, as a server's log does, and starts no program for it: its input never has a line. */
const followed = `while :; do echo ${line}; read -rt 0.1; done`

export const busy: Benchmark = {
  title: `a command beside ${processCount} processes that stream`,
  measure: async ({ client }) => {
    const { sandbox } = expectSuccess(await client.create("busy"))
    // Half before and half after, so that a host that gets slower meets both.
    const before = await runs(sandbox, 100)
    const { beside, streamed } = await besideStreams(sandbox, 200)
    const alone = [...before, ...(await runs(sandbox, 100))]
    expectSuccess(await sandbox.destroy())
    return [
      { what: 'run("true"), alone', unit: "ms", values: alone },
      {
        what: `run("true") beside ${processCount} processes that print 10 lines a second`,
        unit: "ms",
        values: beside,
      },
      { ...against(alone, beside), target: 4 },
      { what: "- what the SDK got of the processes meanwhile", unit: "KB/s", values: [streamed] },
    ]
  },
}

const runs = (sandbox: Sandbox, count: number) =>
  repeat({ warmUp: 10, count }, () => elapsed(async () => expectSuccess(await sandbox.run("true"))))

/** How long commands take beside as many processes, each of which the SDK reads from, and how much it reads then. */
async function besideStreams(
  sandbox: Sandbox,
  count: number,
): Promise<{ beside: number[]; streamed: number }> {
  const processes: Process[] = []
  for (let started = 0; started < processCount; started += 1) {
    processes.push(expectSuccess(await sandbox.start(followed)).process)
  }
  const readers = processes.map(follow)
  await Promise.all(readers.map(({ begun }) => begun))
  const total = () => readers.reduce((sum, { read }) => sum + read(), 0)
  const readBefore = total()
  const start = performance.now()
  const beside = await runs(sandbox, count)
  const streamed = (total() - readBefore) / (performance.now() - start)
  for (const process of processes) expectSuccess(await process.kill("SIGKILL"))
  await Promise.all(readers.map(({ ended }) => ended))
  return { beside, streamed }
}

/** What reads what a process prints. */
interface Follower {
  /** Fulfilled when something was printed. */
  readonly begun: Promise<unknown>
  /** Fulfilled when the process has ended. */
  readonly ended: Promise<void>
  /** How many characters it has read so far. */
  readonly read: () => number
}

function follow(process: Process): Follower {
  let read = 0
  const output = process.stdout[Symbol.asyncIterator]()
  const next = async () => {
    const piece = await output.next()
    if (piece.done !== true) read += piece.value.length
    return piece.done !== true
  }
  const begun = next()
  const ended = begun.then(async () => {
    while (await next());
  })
  return { begun, ended, read: () => read }
}

function against(alone: readonly number[], beside: readonly number[]): Measurement {
  const ratio = percentile(beside, 99) / percentile(alone, 99)
  return { what: "- its 99th percentile against that of those alone", unit: "x", values: [ratio] }
}
