import type { Machine } from "@opensandbox/vm"

/** How long a guest may take to write its own names to a disk that was just mounted. */
const syncMilliseconds = 30_000

/** A layer whose content the disk had when its machine had written so often. */
export interface Rest {
  /** null is the image's blank disk. */
  readonly layer: string | null
  readonly writes: number
}

/**
 * The rest of a machine that was just started on an empty head. What the start itself writes, the mount's marks and the
 * guest's names, is no change that anybody made: it is written out now, so that it does not count as one later.
 *
 * @param layer What the head rests on.
 */
export async function restAfterStart(machine: Machine, layer: string | null): Promise<Rest> {
  await machine.sync(syncMilliseconds)
  return { layer, writes: (await machine.activity()).writes }
}
