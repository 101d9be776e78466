import { failpoint } from "#failpoint"
import PQueue from "p-queue"
import type { LayerMeans } from "./layer-means.js"

/**
 * Removes the files of layers that the database has forgotten, in the background. What cannot be removed is no failure of
 * what was asked for: it takes room until more is to be removed, or until the next start of the server.
 */
export class LayerRemoval {
  readonly #means: Pick<LayerMeans, "layers" | "room" | "log">
  readonly #queue = new PQueue({ concurrency: 1 })
  readonly #gone = new Set<string>()

  constructor(means: Pick<LayerMeans, "layers" | "room" | "log">) {
    this.#means = means
  }

  /**
   * Has files removed, now or with their last pin.
   *
   * @param unheld Settles when nothing holds their room any more, as a machine that is ending does; it does not fail.
   */
  add(layers: readonly string[], unheld?: Promise<void>): void {
    if (layers.length === 0) return
    void this.#queue.add(async () => {
      await unheld
      for (const layer of layers) this.#gone.add(layer)
      await this.#remove()
    })
  }

  /** Waits until all that was added is gone, and its room there. */
  async idle(): Promise<void> {
    await this.#queue.onIdle()
  }

  async #remove(): Promise<void> {
    const { layers, room, log } = this.#means
    const gone = [...this.#gone]
    try {
      await layers.makeDurable()
      for (const layer of gone) {
        await room.disk.remove(layer)
        this.#gone.delete(layer)
        failpoint("layers.file-removed")
      }
    } catch (error) {
      log.warn({ layers: gone, err: error }, "files that nothing needs could not be removed")
    }
  }
}
