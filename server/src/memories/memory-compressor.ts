import { failpoint } from "#failpoint"
import type { MemoryDirectory } from "@opensandbox/vm"
import PQueue from "p-queue"
import type { Logger } from "pino"
import type { MemoryRemoval } from "./memory-removal.js"
import type { MemoryStore } from "./memory-store.js"

interface CompressorMeans {
  readonly memories: Pick<MemoryStore, "all" | "find" | "setCompressed">
  readonly room: { readonly memories: Pick<MemoryDirectory, "compress"> }
  readonly log: Pick<Logger, "warn">
  /** Whether the disk has room for so many bytes more, and for what else goes on. */
  readonly hasSpace: (bytes: number) => Promise<boolean>
}

/**
 * Compresses the files of memories, which are written as they are so that nobody waits for it: in the background, and one
 * at a time on this host. A compressed file takes the old one's place by a rename, so it may break off anywhere. Until then
 * there are two of them: where the disk has no room for that, a memory stays as it is until the next one is compressed.
 */
export class MemoryCompressor {
  readonly #means: CompressorMeans
  readonly #removal: Pick<MemoryRemoval, "add">
  readonly #queue = new PQueue({ concurrency: 1 })
  readonly #closing = new AbortController()
  readonly #postponed = new Set<string>()

  constructor(means: CompressorMeans, removal: Pick<MemoryRemoval, "add">) {
    this.#means = means
    this.#removal = removal
  }

  /** Takes in hand what an earlier server did not get to. */
  async resume(): Promise<void> {
    for (const { id, state } of await this.#means.memories.all()) if (state === "written") this.add(id)
  }

  /** Has a memory compressed that is recorded. */
  add(memory: string): void {
    const due = [...this.#postponed, memory]
    this.#postponed.clear()
    for (const each of due) void this.#queue.add(() => this.#settle(each))
  }

  /** Breaks off what is under way. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#queue.onIdle()
  }

  async #settle(memory: string): Promise<void> {
    if (this.#isClosing()) return
    try {
      await this.#compress(memory)
    } catch (error) {
      if (this.#isClosing() || (await this.#means.memories.find(memory)) === undefined) return
      this.#means.log.warn({ memory, err: error }, "a memory could not be compressed; it stays as it is")
    }
  }

  async #compress(memory: string): Promise<void> {
    const { memories, room, hasSpace } = this.#means
    const row = await memories.find(memory)
    // What a damaged file holds stays as it was found.
    if (row?.state !== "written" || row.damage !== null) return
    if (!(await hasSpace(row.bytes))) {
      this.#postponed.add(memory)
      return
    }
    const { bytes } = await room.memories.compress(memory, this.#closing.signal)
    failpoint("memory.compressed")
    await memories.setCompressed(memory, bytes)
    // The compressed file may have come to a place from which the old one had just been removed.
    if ((await memories.find(memory)) === undefined) this.#removal.add([memory])
  }

  #isClosing(): boolean {
    return this.#closing.signal.aborted
  }
}
