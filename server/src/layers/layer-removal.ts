import { failpoint } from "#failpoint"
import PQueue from "p-queue"
import type { LayerMeans } from "./layer-means.js"

/**
 * Removes the files of layers that the database has forgotten, in the background. What cannot be removed takes room until
 * the next start of the server, and is no failure of what was asked for.
 */
export class LayerRemoval {
  readonly #means: Pick<LayerMeans, "layers" | "room" | "log">
  readonly #queue = new PQueue({ concurrency: 1 })

  constructor(means: Pick<LayerMeans, "layers" | "room" | "log">) {
    this.#means = means
  }

  /** Has files removed, now or with their last pin. */
  add(layers: readonly string[]): void {
    if (layers.length > 0) void this.#queue.add(() => this.#remove(layers))
  }

  /** Waits until all that was added is gone. */
  async idle(): Promise<void> {
    await this.#queue.onIdle()
  }

  async #remove(gone: readonly string[]): Promise<void> {
    const { layers, room, log } = this.#means
    try {
      await layers.makeDurable()
      for (const layer of gone) {
        await room.disk.remove(layer)
        failpoint("layers.file-removed")
      }
    } catch (error) {
      log.warn({ layers: gone, err: error }, "files that nothing needs could not be removed")
    }
  }
}
