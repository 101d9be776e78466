import type { LayerRow } from "../store/tables.js"

/** A layer in its place of a chain. */
export interface ChainLayer extends LayerRow {
  /** Whether a snapshot names it, or more than one layer rests on it: then it stays, whatever one of those takes in. */
  readonly needed: boolean
}

/** What a layer should take in. */
export interface CompactionPlan {
  readonly reason: "depth" | "reclaim"
  /** What it rests on afterwards; null is the image's blank disk. */
  readonly base: string | null
  /** The layers that it takes in, from the oldest to the newest. */
  readonly between: readonly ChainLayer[]
}

/** A layer with a number that this divides takes in the layers since the one with the number before it. */
const step = 8

/** A layer that nobody needs is taken in if at most so many times of what that is compared with are copied for it. */
const reclaimRatio = 4

/** How many bytes of each layer a chain still shows, by their names; none of those that are left out. */
type Shown = ReadonlyMap<string, number>

/**
 * What the topmost layer of a chain should take in, so that chains stay short and deleted snapshots give their room
 * back. There are two rules, and the plan reaches as far down as both together:
 *
 * - Depth. Layers are numbered from the blank disk up. One whose number is a multiple of 8 comes to rest on the one 8
 *   before it, a multiple of 64 on the one 64 before, and so on. The chain of layer n is then as long as the sum of n's
 *   digits in base 8, at most 7 for each digit, and each block is copied once for each digit.
 * - Reclaim. Below that, layers that nobody needs are taken in as long as they are not much larger than what has come
 *   together so far. So each block is copied a few times, not once for each snapshot that is deleted, and what waits to
 *   be taken in is a handful of layers of growing size. A larger one is taken in too, once most of it is written over or
 *   discarded: what is copied then is not much more than the room that it gives back.
 *
 * @param countShown Counts what the chain still shows. It takes a look at all of the chain's files, so it is called only
 *   when it matters.
 * @returns undefined when there is nothing to do.
 */
export async function compactionPlan(
  chain: readonly ChainLayer[],
  countShown: () => Promise<Shown>,
): Promise<CompactionPlan | undefined> {
  const top = chain.at(-1)
  if (top?.state !== "sealed") return undefined
  const parent = chain.length - 2
  const target = top.number - reachOf(top.number)
  let base = parent
  // A merge that did not happen leaves layers that this one then takes in as well.
  if (isTooDeep(top, chain[parent])) base = chain.findLastIndex((layer) => layer.number <= target)
  const reason = base < parent ? "depth" : "reclaim"
  // One that goes itself leaves it to the layer that takes it in.
  if (reason === "reclaim" && !top.needed) return undefined
  let gathered = sizeOf(chain.slice(base + 1))
  let shown: Shown | undefined
  for (let below = chain[base]; below?.needed === false; below = chain[base]) {
    const bytes = below.bytes ?? 0
    let copied = bytes
    if (copied > reclaimRatio * gathered) {
      shown ??= await countShown()
      copied = shown.get(below.id) ?? 0
      if (copied > reclaimRatio * Math.max(gathered, bytes - copied)) break
    }
    gathered += copied
    base -= 1
  }
  const between = chain.slice(base + 1, -1)
  return between.length === 0 ? undefined : { reason, base: chain[base]?.id ?? null, between }
}

/** Whether a layer rests on one that the rule of depth wants it to take in. */
export function isTooDeep(layer: LayerRow, parent: LayerRow | undefined): boolean {
  return layer.number % step === 0 && (parent?.number ?? 0) > layer.number - reachOf(layer.number)
}

/** The largest power of 8 that divides the number. */
function reachOf(number: number): number {
  let reach = 1
  while (number % (reach * step) === 0) reach *= step
  return reach
}

function sizeOf(layers: readonly LayerRow[]): number {
  return layers.reduce((sum, layer) => sum + (layer.bytes ?? 0), 0)
}
