import type { Sandbox } from "opensandbox"
import type { Benchmark } from "../benchmark.js"
import { expectSuccess } from "../expect-success.js"
import { hundredBytes } from "../filling.js"
import { percentile, type Measurement } from "../measurement.js"
import { repeat } from "../repetition.js"
import type { ServerMetrics } from "../server-metrics.js"
import { millisecondsOf, withServerTimings } from "../server-timing.js"

/** Enough for a 99th percentile of those that have a compaction beside them and of those that have none. */
const commandCount = 2_000

const durations = "opensandbox_compaction_duration_seconds_sum"

interface Command extends Span {
  /** What its whole time is more than the guest says the command took, in milliseconds. */
  readonly added: number
}

/** From one point in time to another, in milliseconds. */
interface Span {
  readonly start: number
  readonly end: number
}

export const compaction: Benchmark = {
  title: "a command beside a compaction",
  measure: async ({ client, metrics }) => {
    const { sandbox } = expectSuccess(await client.create("compaction"))
    const compactions: Span[] = []
    let before = await count(metrics)
    const commands = await repeat({ warmUp: 10, count: commandCount }, async () => {
      const command = await timed(sandbox)
      const after = await count(metrics)
      // It ended since the last count, at an unknown point, and began as long before as it took.
      if (after.seconds > before.seconds) {
        compactions.push({ start: before.at - (after.seconds - before.seconds) * 1e3, end: after.at })
      }
      before = after
      return command
    })
    expectSuccess(await sandbox.destroy())

    const beside = commands.filter((command) =>
      compactions.some((compaction) => overlap(command, compaction)),
    )
    const alone = commands.filter((command) => !beside.includes(command))
    return [
      ...measurements("what is added to a command", alone, beside, ({ added }) => added, 20),
      ...measurements("a whole command", alone, beside, ({ start, end }) => end - start),
    ]
  },
}

async function timed(sandbox: Sandbox): Promise<Command> {
  const start = performance.now()
  const [result, timings] = await withServerTimings(() => sandbox.run(hundredBytes))
  const end = performance.now()
  expectSuccess(result)
  return { start, end, added: end - start - millisecondsOf(timings, "guest") }
}

/** How long all compactions that have ended took together, and when that was asked. */
async function count(metrics: ServerMetrics): Promise<{ at: number; seconds: number }> {
  const at = performance.now()
  const { [durations]: seconds } = await metrics.read(durations)
  return { at, seconds }
}

function overlap(a: Span, b: Span): boolean {
  return a.start < b.end && b.start < a.end
}

function measurements(
  what: string,
  alone: Command[],
  beside: Command[],
  part: (command: Command) => number,
  target?: number,
): Measurement[] {
  const [short, long] = [alone.map(part), beside.map(part)]
  return [
    { what: `${what}, no compaction beside it`, unit: "ms", values: short },
    { what: `${what}, beside a compaction`, unit: "ms", values: long },
    {
      what: "- by how much its 99th percentile is longer",
      unit: "ms",
      values: [percentile(long, 99) - percentile(short, 99)],
      ...(target !== undefined && { target }),
    },
  ]
}
