import { posix } from "node:path"
import { AgentError, type Viewer } from "@opensandbox/vm"
import type { Logger } from "pino"
import { Failure } from "../failure.js"
import type { SealedDisk } from "../layers/layer-files.js"
import { asFailure } from "../storage/storage-failure.js"
import { compareTrees, type Comparison } from "./compare-trees.js"
import { maxHostsBytes } from "./own-files.js"
import type { Tree } from "./tree.js"
import { textOf, unifiedPatch } from "./unified-patch.js"
import type { Viewers } from "./viewers.js"

const mebibyte = 1024 * 1024

/** The largest file that is given out whole, and the largest that is compared line by line. */
const maxFileMiB = 64
const maxTextMiB = 4

/** How many paths of a tree are listed; all of them are in memory at the same time. */
const maxListed = 100_000

/** Where a guest's relative paths begin. */
const workspace = "/workspace"

/** Looks into snapshots without going there. */
export class Looking {
  readonly #viewers: Viewers
  readonly #log: Logger

  constructor(viewers: Viewers, log: Logger) {
    this.#viewers = viewers
    this.#log = log
  }

  /**
   * What differs between two disks of one image.
   *
   * @param patch A text file to compare line by line.
   * @throws Failure: `not_found` when that file is on neither side, `invalid_request` when it is no text or too large;
   * `unavailable`, `timeout`, `disk_full`.
   */
  async diff(from: SealedDisk, to: SealedDisk, patch?: string): Promise<Comparison & { patch?: string }> {
    const [comparison, text] = await Promise.all([
      from.layer === to.layer ? { changes: [], truncated: false } : this.#compare(from, to),
      patch === undefined ? undefined : this.#patch(from, to, patch),
    ])
    return { ...comparison, ...(text !== undefined && { patch: text }) }
  }

  /** Gives back what is kept for those who look again soon. */
  endIdle(): Promise<void> {
    return this.#viewers.endIdle()
  }

  /**
   * A file as it was.
   *
   * @throws Failure: `not_found`, `invalid_request` when it is no file, `too_large`; `unavailable`, `timeout`, `disk_full`.
   */
  async readAt(disk: SealedDisk, path: string): Promise<Uint8Array<ArrayBuffer>> {
    const answer = await this.#read(disk, path, maxFileMiB)
    if (answer === "not_found") throw new Failure("not_found", `There is no "${path}" in the snapshot.`)
    if (answer === "not_a_file") {
      throw new Failure("invalid_request", `"${path}" is no regular file.`, { field: "path" })
    }
    if (answer === "too_large") {
      throw new Failure(
        "too_large",
        `"${path}" is larger than ${maxFileMiB} MiB: restore or fork to get at it.`,
      )
    }
    return answer
  }

  /** Ends all viewers; looks under way fail with `unavailable`. */
  close(): Promise<void> {
    return this.#viewers.close()
  }

  async #compare(from: SealedDisk, to: SealedDisk): Promise<Comparison> {
    const [before, after] = await Promise.all([this.#tree(from), this.#tree(to)])
    return compareTrees(before, after)
  }

  async #tree(disk: SealedDisk): Promise<Tree> {
    const { changes, truncated } = await this.#look(disk, (viewer) => viewer.changes(maxListed))
    return {
      changes,
      truncated,
      digest: (paths) => this.#look(disk, (viewer) => viewer.digest(paths)),
      read: (path) => this.#look(disk, (viewer) => viewer.read(path, maxHostsBytes)),
    }
  }

  async #patch(from: SealedDisk, to: SealedDisk, path: string): Promise<string> {
    const [before, after] = await Promise.all([this.#text(from, path), this.#text(to, path)])
    if (before === null && after === null) {
      throw new Failure("not_found", `There is no "${path}" in either state.`)
    }
    return unifiedPatch(posix.resolve(workspace, path), before, after)
  }

  /** null when there is no such file. */
  async #text(disk: SealedDisk, path: string): Promise<string | null> {
    const answer = await this.#read(disk, path, maxTextMiB)
    if (answer === "not_found") return null
    const text = answer instanceof Uint8Array ? textOf(answer) : undefined
    if (text === undefined) {
      throw new Failure(
        "invalid_request",
        `"${path}" is no text file of at most ${maxTextMiB} MiB in both states.`,
        {
          field: "patch",
        },
      )
    }
    return text
  }

  /** The content of a file, or why it is not given out. */
  async #read(
    disk: SealedDisk,
    path: string,
    maxMiB: number,
  ): Promise<Uint8Array<ArrayBuffer> | "not_found" | "not_a_file" | "too_large"> {
    return this.#look(disk, async (viewer) => {
      try {
        return await viewer.read(path, maxMiB * mebibyte)
      } catch (error) {
        const code = error instanceof AgentError ? error.code : ""
        if (code === "not_found" || code === "not_a_file" || code === "too_large") return code
        throw error
      }
    })
  }

  async #look<T>(disk: SealedDisk, look: (viewer: Viewer) => Promise<T>): Promise<T> {
    try {
      return await this.#viewers.look(disk, look)
    } catch (error) {
      if (error instanceof Failure) throw error
      this.#log.error({ layer: disk.layer, err: error }, "a snapshot could not be looked into")
      throw asFailure(error)
    }
  }
}
