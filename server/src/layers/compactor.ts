import { failpoint } from "#failpoint"
import type { RewrittenLayer } from "@opensandbox/vm"
import PQueue from "p-queue"
import { compactionPlan, isTooDeep, type CompactionPlan } from "./compaction-plan.js"
import { pinChain, type PinnedChain } from "./layer-files.js"
import type { LayerHealth } from "./layer-health.js"
import type { LayerMeans } from "./layer-means.js"

/** Is told of each layer that was written anew. */
type RewriteListener = (rewritten: RewrittenLayer) => void

/**
 * Keeps chains short and gives the room of deleted snapshots back, in the background and one layer at a time on this
 * host. It writes a layer anew beside the old file; with a rename the new one takes its place, and with a commit the
 * database learns what it rests on. Before and after each of these steps every reader finds the same content, so it may
 * break off anywhere.
 */
export class Compactor {
  readonly #means: LayerMeans
  readonly #health: LayerHealth
  readonly #queue = new PQueue({ concurrency: 1 })
  readonly #waiting = new Set<string>()
  readonly #listeners = new Set<RewriteListener>()
  readonly #closing = new AbortController()

  constructor(means: LayerMeans, health: LayerHealth) {
    this.#means = means
    this.#health = health
  }

  onRewritten(listener: RewriteListener): void {
    this.#listeners.add(listener)
  }

  /** Takes in hand what an earlier server did not get to. */
  async resume(): Promise<void> {
    const layers = await this.#means.layers.all()
    const byId = new Map(layers.map((layer) => [layer.id, layer]))
    const due = layers.filter(
      (layer) =>
        layer.state === "sealed" &&
        (layer.checksum === null || isTooDeep(layer, byId.get(layer.parent_id ?? ""))),
    )
    // From the bottom up, so that each takes in what has taken in others.
    this.consider(due.sort((a, b) => a.number - b.number).map((layer) => layer.id))
    await this.reclaim()
  }

  /**
   * Looks for layers that nobody needs any more and that others could take in. Never rejects: what is not found now is
   * found by the next start.
   *
   * @param among Those to look at; all when left out.
   */
  async reclaim(among?: readonly string[]): Promise<void> {
    if (among?.length === 0) return
    try {
      this.consider(await this.#means.layers.overUnneeded(among))
    } catch (error) {
      this.#means.log.warn({ err: error }, "layers that nobody needs could not be looked for")
    }
  }

  /** Looks, in the background, at sealed layers that may have something to take in. */
  consider(layers: readonly string[]): void {
    for (const layer of layers) {
      if (this.#waiting.has(layer) || this.#isClosing()) continue
      this.#waiting.add(layer)
      this.#means.metrics.compactionsWaiting.set(this.#waiting.size)
      void this.#queue.add(() => this.#settle(layer))
    }
  }

  /** Waits until nothing is left to do. */
  async idle(): Promise<void> {
    await this.#queue.onIdle()
  }

  /** Breaks off what is under way. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#queue.onIdle()
  }

  #isClosing(): boolean {
    return this.#closing.signal.aborted
  }

  async #settle(layer: string): Promise<void> {
    this.#waiting.delete(layer)
    this.#means.metrics.compactionsWaiting.set(this.#waiting.size)
    if (this.#isClosing()) return
    try {
      await this.#settleOne(layer)
    } catch (error) {
      if (this.#isClosing() || (await this.#means.layers.find(layer)) === undefined) return
      this.#means.log.warn({ layer, err: error }, "a layer could not be compacted; it stays as it is")
    }
  }

  async #settleOne(layer: string): Promise<void> {
    const { layers, room, metrics } = this.#means
    if ((await layers.find(layer)) === undefined) return
    const pinned = await pinChain(this.#means, layer)
    try {
      const plan = await compactionPlan(pinned.chain, () => room.disk.shownBytes(layer, this.#closing.signal))
      if (plan === undefined) {
        const top = pinned.chain.at(-1)
        // What a damaged file holds is nothing to know it by.
        if (top?.checksum === null && top.damage === null)
          await layers.setFingerprint(layer, await room.disk.fingerprint(layer, this.#closing.signal))
        return
      }
      const end = metrics.compactionSeconds.startTimer()
      const outcome = await this.#compact(layer, plan, pinned).catch((error: unknown) => {
        metrics.compactions.inc({ reason: plan.reason, outcome: "failed" })
        throw error
      })
      end()
      metrics.compactions.inc({ reason: plan.reason, outcome })
    } finally {
      await pinned.release()
    }
  }

  async #compact(
    layer: string,
    { base, between }: CompactionPlan,
    { chain, release }: PinnedChain,
  ): Promise<"done" | "obsolete"> {
    const { layers, room, images, metrics } = this.#means
    const [top] = chain.slice(-1)
    if (top === undefined) return "obsolete"
    // Damage that was copied could never be found again.
    await this.#health.requireSameContent([...between, top])
    const image = await images.get(top.image_key)
    const rewriting = await room.disk.rewrite(layer, base, image, this.#closing.signal)
    failpoint("compaction.written")
    metrics.compactionBytes.inc(rewriting.fingerprint.bytes)
    if ((await layers.find(layer)) === undefined) {
      await rewriting.discard()
      return "obsolete"
    }
    try {
      // A crash after the replacing must not leave a file that is compared with what the old one was known by.
      await layers.forgetFingerprint(layer)
      await layers.makeDurable()
      failpoint("compaction.announced")
      await rewriting.replace()
      failpoint("compaction.replaced")
    } catch (error) {
      await rewriting.discard()
      throw error
    }
    const unneeded = await layers.rebase(layer, base, rewriting.fingerprint)
    failpoint("compaction.recorded")
    if (unneeded === undefined) {
      await room.disk.remove(layer)
      return "obsolete"
    }
    for (const listener of this.#listeners) listener({ layer, base, path: room.disk.path(layer) })
    await release()
    this.#means.removal.add(unneeded.gone)
    return "done"
  }
}
