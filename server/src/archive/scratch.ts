import { mkdir, mkdtemp, rm } from "node:fs/promises"
import { join } from "node:path"

/** Where exports and imports keep what is not done: nothing of it matters to the next server. */
export class Scratch {
  readonly #directory: string

  private constructor(directory: string) {
    this.#directory = directory
  }

  /** Opens the scratch directory, and empties it of what an earlier server left. */
  static async open(directory: string): Promise<Scratch> {
    await rm(directory, { recursive: true, force: true })
    await mkdir(directory, { recursive: true, mode: 0o700 })
    return new Scratch(directory)
  }

  /** Makes an empty directory that only the server's user can enter. */
  async make(): Promise<ScratchDirectory> {
    const path = await mkdtemp(join(this.#directory, "s"))
    return { path, remove: () => rm(path, { recursive: true, force: true }) }
  }
}

export interface ScratchDirectory {
  readonly path: string
  /** Removes the directory with all that is in it; once it is gone, does nothing. */
  remove(): Promise<void>
}
