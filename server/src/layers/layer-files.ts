import type { ChainLayer } from "./compaction-plan.js"
import type { LayerMeans } from "./layer-means.js"

/** A chain whose files stay until it is released. */
export interface PinnedChain {
  /** From the oldest to the topmost layer; empty for the blank disk. */
  readonly chain: readonly ChainLayer[]
  readonly release: () => Promise<void>
}

/** A disk as it was when its topmost layer was sealed, for somebody to look at whose pins keep the files. */
export interface SealedDisk {
  readonly imageKey: string
  /** Null for as much as the image's blank disk has. */
  readonly diskBytes: number | null
  /** The topmost layer; null is the image's blank disk. */
  readonly layer: string | null
  /** From the oldest to the topmost layer; empty for the blank disk. */
  readonly chain: readonly ChainLayer[]
}

/** How often a chain that is being shortened is looked up again, before that is taken for an error. */
const maxAttempts = 20

/**
 * Finds the chain of a layer and keeps its files from being removed, as compaction does with those that nothing needs
 * any more, until whoever opens them has them open.
 *
 * @param top null for the blank disk.
 * @throws Error when there is no such layer.
 */
export async function pinChain({ layers, room }: LayerMeans, top: string | null): Promise<PinnedChain> {
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const ids = namesOf(await layers.chain(top))
    const release = room.disk.pin(ids)
    // Only what was still there once it was pinned is safe.
    const chain = await layers.chain(top)
    if (namesOf(chain).join() === ids.join()) {
      if (top !== null && chain.length === 0) throw new Error(`layer ${top} is not recorded`)
      return { chain, release }
    }
    await release()
  }
  throw new Error(`the chain of layer ${String(top)} does not come to rest`)
}

function namesOf(chain: readonly ChainLayer[]): string[] {
  return chain.map((layer) => layer.id)
}
