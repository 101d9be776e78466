import { failpoint } from "#failpoint"
import PQueue from "p-queue"
import type { MemoryMeans } from "./memory-means.js"

/**
 * Removes the files of memories that the database has forgotten, and the templates that none needs any more, in the
 * background. What cannot be removed takes room until more is to be removed, or until the next start of the server.
 */
export class MemoryRemoval {
  readonly #means: MemoryMeans
  readonly #queue = new PQueue({ concurrency: 1 })
  readonly #abandoned = new Set<string>()
  readonly #gone = new Set<string>()

  constructor(means: MemoryMeans) {
    this.#means = means
  }

  /**
   * Has files removed, and those that could not be removed before. With none it is worth a call where a machine is gone:
   * its template may have been kept for it alone.
   *
   * @param after What to wait for, as the end of a machine; must not fail.
   */
  add(memories: readonly string[], after?: Promise<void>): void {
    for (const memory of memories) this.#gone.add(memory)
    void this.#queue.add(async () => {
      await after
      await this.#remove()
    })
  }

  /** Has a memory forgotten that was being written, with its file. */
  abandon(memory: string): void {
    this.#abandoned.add(memory)
    this.add([])
  }

  /** Waits until all that was added is gone. */
  async idle(): Promise<void> {
    await this.#queue.onIdle()
  }

  async #remove(): Promise<void> {
    const { memories, room, log } = this.#means
    const nothing = this.#gone.size + this.#abandoned.size === 0
    try {
      for (const memory of this.#abandoned) {
        for (const unneeded of await memories.abandon(memory)) this.#gone.add(unneeded)
        this.#abandoned.delete(memory)
      }
      if (!nothing) await memories.makeDurable()
      for (const memory of this.#gone) {
        await room.memories.remove(memory)
        this.#gone.delete(memory)
        failpoint("memories.file-removed")
      }
      await room.releaseTemplates(() => memories.templates())
    } catch (error) {
      const left = [...this.#abandoned, ...this.#gone]
      log.warn({ memories: left, err: error }, "files of memories that nothing needs could not be removed")
    }
  }
}
