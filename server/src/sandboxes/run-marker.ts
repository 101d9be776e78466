import { open, rm, stat } from "node:fs/promises"
import { join } from "node:path"

/** A file that is there while a server runs. One that is there before tells of a server that came to a sudden end. */
export class RunMarker {
  /** Whether the server before this one came to a sudden end. */
  readonly unclean: boolean
  readonly #path: string

  private constructor(path: string, unclean: boolean) {
    this.#path = path
    this.unclean = unclean
  }

  static async set(dataDirectory: string): Promise<RunMarker> {
    const path = join(dataDirectory, "running")
    const unclean = (await stat(path).catch(() => undefined)) !== undefined
    await (await open(path, "w", 0o600)).close()
    return new RunMarker(path, unclean)
  }

  /** Says that the server has come to an end in order. */
  async clear(): Promise<void> {
    await rm(this.#path, { force: true })
  }
}
