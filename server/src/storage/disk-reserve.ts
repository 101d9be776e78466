import { randomBytes } from "node:crypto"
import { rm, stat, statfs, writeFile } from "node:fs/promises"
import { join } from "node:path"

const reserveBytes = 16 * 1024 * 1024

/** What the database and a new layer need to record one change, many times over. */
const neededBytes = 4 * 1024 * 1024

/** The reserve is taken only from plenty. */
const plentyBytes = 8 * reserveBytes

/**
 * Room on the data directory's disk that is kept back by a file of no use. Guests can fill the disk to the last byte,
 * and what makes room again (a restore, a destroy) has to be recorded on the same disk first.
 */
export class DiskReserve {
  readonly #directory: string
  readonly #path: string
  #held: boolean

  private constructor(directory: string, path: string, held: boolean) {
    this.#directory = directory
    this.#path = path
    this.#held = held
  }

  static async open(dataDirectory: string): Promise<DiskReserve> {
    const path = join(dataDirectory, "reserve")
    const size = await stat(path).then(
      (found) => found.size,
      () => 0,
    )
    const reserve = new DiskReserve(dataDirectory, path, size === reserveBytes)
    await reserve.take()
    return reserve
  }

  /** Takes the room again, after it was given away, as soon as there is plenty. */
  async take(): Promise<void> {
    if (this.#held || (await this.#free()) < plentyBytes) return
    try {
      // Random, because some file systems need no room for zeros.
      await writeFile(this.#path, randomBytes(reserveBytes), { mode: 0o600 })
      this.#held = true
    } catch {
      // A guest was faster.
      await rm(this.#path, { force: true })
    }
  }

  /** Makes sure that a change can be recorded: gives the room away when there is no other left. */
  async giveWhenFull(): Promise<void> {
    if (!this.#held || (await this.#free()) >= neededBytes) return
    this.#held = false
    await rm(this.#path, { force: true })
  }

  async #free(): Promise<number> {
    const { bavail, bsize } = await statfs(this.#directory)
    return bavail * bsize
  }
}
