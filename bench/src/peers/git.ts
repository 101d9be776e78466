import { mkdir, rm } from "node:fs/promises"
import { join } from "node:path"
import { allocatedBytes } from "../allocated-bytes.js"
import { runOnHost, runProgram } from "./host-program.js"
import type { Peer } from "./peer.js"

/** A shadow repository: its own directory is beside the place, so that the place shows nothing of it. */
export class ShadowGit implements Peer {
  readonly name = "shadow git repository"
  readonly about =
    "Commands run on the host. A snapshot is `git add -A && git commit`: the content of files and whether they are " +
    "executable, without empty directories, owners, times, or anything outside of the directory. git packs its objects " +
    "within the step that makes it necessary. A restore is `git reset --hard && git clean`; no process is ended."
  readonly #directory: string
  readonly #place: string
  readonly #environment: Record<string, string>

  /** @param directory Everything is in it. */
  constructor(directory: string) {
    this.#directory = directory
    this.#place = join(directory, "place")
    this.#environment = {
      GIT_DIR: join(directory, "shadow.git"),
      GIT_WORK_TREE: this.#place,
      // The user's own settings do not count.
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_CONFIG_GLOBAL: "/dev/null",
    }
  }

  async prepare(): Promise<void> {
    await mkdir(this.#place, { recursive: true })
    await this.#git("init", "--quiet")
    await this.#git("config", "user.name", "bench")
    await this.#git("config", "user.email", "bench@localhost")
    // In the background it would take its time from whichever peer comes next.
    await this.#git("config", "gc.autoDetach", "false")
  }

  step(command: string): Promise<string> {
    return runOnHost(this.#place, command)
  }

  async snapshot(): Promise<string> {
    await this.#git("add", "--all")
    const said = await this.#git("commit", "--allow-empty", "--message", "snapshot")
    const commit = /^\[.*\b([0-9a-f]{7,})\]/.exec(said)?.[1]
    if (commit === undefined) throw new Error(`git did not say what it committed: ${said.slice(0, 200)}`)
    return commit
  }

  async restore(commit: string): Promise<void> {
    await this.#git("reset", "--quiet", "--hard", commit)
    await this.#git("clean", "--quiet", "-d", "-x", "--force")
  }

  bytes(): Promise<number> {
    return allocatedBytes(this.#directory)
  }

  async close(): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true })
  }

  #git(...args: string[]): Promise<string> {
    return runProgram("git", args, { cwd: this.#directory, env: this.#environment })
  }
}
