import { allocatedBytes } from "../allocated-bytes.js"
import type { Expectations } from "./comparison.js"
import { contentHash } from "./content.js"
import { runOnHost } from "./host-program.js"
import { Random } from "./random.js"
import type { Step } from "./trace.js"

/** How many snapshots are restored. */
const restoreCount = 20

/**
 * Runs a trace in an empty directory, without any snapshot.
 *
 * @returns what the place holds after some steps, chosen at random and in order, and what its files take in the end.
 */
export async function expect(
  seed: number,
  steps: readonly Step[],
  directory: string,
): Promise<{ expectations: Expectations; bytes: number }> {
  const chosen = choose(seed, steps.length)
  const expectations = new Map<number, string>()
  for (const [number, { command }] of steps.entries()) {
    await runOnHost(directory, command)
    if (chosen.has(number)) expectations.set(number, (await runOnHost(directory, contentHash)).trim())
  }
  return { expectations, bytes: await allocatedBytes(directory) }
}

function choose(seed: number, stepCount: number): Set<number> {
  const random = new Random(seed)
  const chosen = new Set<number>()
  while (chosen.size < Math.min(restoreCount, stepCount)) chosen.add(random.below(stepCount))
  return chosen
}
