import { mkdir } from "node:fs/promises"
import { runProgram } from "./host-program.js"
import { Unavailable } from "./peer.js"

/** A file system in a file, which is mounted through a loop device. */
export class MountedFile {
  readonly path: string
  readonly #file: string
  readonly #options: string
  #mounted = false

  /**
   * @param file Holds the file system.
   * @param path Where it is mounted; made if it is missing.
   * @param options Of mount(8).
   */
  constructor(file: string, path: string, options: readonly string[]) {
    this.#file = file
    this.path = path
    this.#options = ["loop", ...options].join(",")
  }

  /** @throws Unavailable when this host or this user cannot. */
  async mount(): Promise<void> {
    if (process.getuid?.() !== 0) throw new Unavailable("only root can mount a file")
    await mkdir(this.path, { recursive: true })
    try {
      await runProgram("mount", ["-o", this.#options, this.#file, this.path])
    } catch (error) {
      throw new Unavailable(String(error), { cause: error })
    }
    this.#mounted = true
  }

  /** Writes out what was changed, as far as the file. */
  async sync(): Promise<void> {
    await runProgram("sync", ["--file-system", this.path])
  }

  /** @throws Error when something still runs there. */
  async unmount(): Promise<void> {
    await runProgram("umount", [this.path])
    this.#mounted = false
  }

  /** Lets go of it, whatever still runs there, if it is mounted. */
  async close(): Promise<void> {
    if (!this.#mounted) return
    this.#mounted = false
    await runProgram("umount", ["--lazy", this.path])
  }
}
