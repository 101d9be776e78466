import type { Client } from "opensandbox"
import type { Benchmark } from "../benchmark.js"
import { expectSuccess } from "../expect-success.js"
import type { Measurement } from "../measurement.js"
import { repeat } from "../repetition.js"
import { millisecondsOf, withServerTimings } from "../server-timing.js"

interface Run {
  /** From the SDK's call to its answer, in milliseconds. */
  readonly total: number
  /** The command itself, as the guest saw it, in milliseconds. */
  readonly guest: number
  readonly sync: number
  /** The host's part of the snapshot, in milliseconds. */
  readonly snapshot: number
}

export const run: Benchmark = {
  title: "a command and its snapshot",
  measure: async ({ client }) => {
    const idle = await runs(client, () => "true")
    const writing = await runs(client, (repetition) => `echo ${repetition} > file`)
    return [
      ...measurements('run("true")', idle, { added: 12, snapshot: 2.5 }),
      // "true" changes nothing, so its snapshot is a name and no layer; this one is a layer each time.
      ...measurements('run("echo N > file")', writing),
    ]
  },
}

/**
 * In a sandbox of their own. Each starts as soon as the one before it has answered: the hardest case for what is made
 * ready in between.
 */
async function runs(client: Client, command: (repetition: number) => string): Promise<Run[]> {
  const { sandbox } = expectSuccess(await client.create("run"))
  const outcomes = await repeat({ warmUp: 10, count: 60 }, async (repetition) => {
    const start = performance.now()
    const [result, timings] = await withServerTimings(() => sandbox.run(command(repetition)))
    const total = performance.now() - start
    expectSuccess(result)
    return {
      total,
      guest: millisecondsOf(timings, "guest"),
      sync: millisecondsOf(timings, "sync"),
      snapshot: millisecondsOf(timings, "snapshot"),
    }
  })
  expectSuccess(await sandbox.destroy())
  return outcomes
}

function measurements(
  command: string,
  runs: Run[],
  targets?: { added: number; snapshot: number },
): Measurement[] {
  return [
    { what: `${command}, whole`, unit: "ms", values: runs.map(({ total }) => total) },
    { what: "- in the guest", unit: "ms", values: runs.map(({ guest }) => guest) },
    {
      what: "- added to that",
      unit: "ms",
      values: runs.map(({ total, guest }) => total - guest),
      ...(targets && { target: targets.added }),
    },
    { what: "- of it the guest's sync", unit: "ms", values: runs.map(({ sync }) => sync) },
    {
      what: "- of it the host's part of the snapshot",
      unit: "ms",
      values: runs.map(({ snapshot }) => snapshot),
      ...(targets && { target: targets.snapshot }),
    },
  ]
}
