import { readdir, rm } from "node:fs/promises"
import { join } from "node:path"
import type { Durability } from "../durability.js"
import { syncFile } from "../sync-file.js"
import {
  compressMemoryFile,
  MemoryFile,
  memoryFacts,
  writeMemoryFile,
  type MemoryContent,
} from "./memory-file.js"
import { MalformedMemoryError } from "./memory-format.js"
import { DamagedMemoryError, isMemoryId, type MemoryFacts, type MemoryId } from "./memory.js"

/** Ends the name of a memory's file. */
const suffix = ".mem"

/** Ends the name of a memory's file until it is whole. */
const unfinished = ".unfinished"

/**
 * The directory that holds the memories: one file each, with the pages that differ from what it rests on. What a memory
 * holds never changes; its file may be replaced by one that holds the same and takes less room.
 */
export class MemoryDirectory {
  readonly #directory: string
  readonly #durability: Durability

  constructor(directory: string, durability: Durability) {
    this.#directory = directory
    this.#durability = durability
  }

  path(memory: MemoryId): string {
    return join(this.#directory, memory + suffix)
  }

  /** The memories that have a file here, in no order. */
  async list(): Promise<MemoryId[]> {
    const names = await readdir(this.#directory)
    return names
      .filter((name) => name.endsWith(suffix))
      .map((name) => name.slice(0, -suffix.length))
      .filter(isMemoryId)
  }

  /** What a memory's file says of itself; undefined when there is none. Reads little of it. */
  facts(memory: MemoryId): Promise<MemoryFacts | undefined> {
    return memoryFacts(this.path(memory))
  }

  /**
   * Writes a memory. It is there whole or not at all, and when this resolves it survives what the durability says.
   *
   * @throws Error when it cannot be written, as on a full disk.
   */
  async write(memory: MemoryId, content: MemoryContent): Promise<MemoryFacts> {
    const path = this.path(memory)
    await writeMemoryFile(path, path + unfinished, content, this.#durability === "disk")
    return this.#written(memory)
  }

  /**
   * Opens a memory; it is the caller's to close.
   *
   * @throws DamagedMemoryError when it is missing, or no memory.
   */
  async open(memory: MemoryId): Promise<MemoryFile> {
    return orDamaged(memory, () => MemoryFile.open(this.path(memory)))
  }

  /** Reads a whole memory. @returns what is wrong with it; undefined when nothing is. */
  async examine(memory: MemoryId): Promise<string | undefined> {
    try {
      const file = await this.open(memory)
      try {
        await orDamaged(memory, () => file.verify())
      } finally {
        await file.close()
      }
      return undefined
    } catch (error) {
      if (error instanceof DamagedMemoryError) return error.damage
      throw error
    }
  }

  /**
   * Has a memory's file take less room, unless that was done before. Takes a second of a processor for each 60 MB.
   *
   * @throws DamagedMemoryError; the file is left as it is. So it is when it did not get to its end, by `cancelled` for instance.
   */
  async compress(memory: MemoryId, cancelled?: AbortSignal): Promise<MemoryFacts> {
    const path = this.path(memory)
    // Whatever the durability: the old file may have been safe for long.
    await orDamaged(memory, () => compressMemoryFile(path, path + unfinished, true, cancelled))
    return this.#written(memory)
  }

  /** Removes a memory's file, finished or not; one that is gone already is no error. Who has it open goes on reading it. */
  async remove(memory: MemoryId): Promise<void> {
    await rm(this.path(memory), { force: true })
    await rm(this.path(memory) + unfinished, { force: true })
  }

  /** Removes what was being made when an earlier server died. */
  async removeUnfinished(): Promise<void> {
    const names = await readdir(this.#directory)
    for (const name of names.filter((name) => name.endsWith(unfinished)))
      await rm(join(this.#directory, name))
  }

  async #written(memory: MemoryId): Promise<MemoryFacts> {
    if (this.#durability === "disk") await syncFile(this.#directory)
    const facts = await this.facts(memory)
    if (facts === undefined) throw new Error(`memory ${memory} is gone as soon as it was written`)
    return facts
  }
}

/** Says of which memory something is wrong. */
export async function orDamaged<T>(memory: MemoryId, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof MalformedMemoryError)
      throw new DamagedMemoryError(memory, error.message, { cause: error })
    if ((error as NodeJS.ErrnoException).code === "ENOENT")
      throw new DamagedMemoryError(memory, "its file is missing", { cause: error })
    throw error
  }
}
