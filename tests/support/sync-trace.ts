import { spawn, type ChildProcess } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { eventually } from "./eventually.js"

const attachMs = 20_000

/** A file or directory that a process made safe from a loss of power. */
export interface Sync {
  /** As it was called then. */
  readonly path: string
  /** When the kernel said that it is done, in Unix milliseconds. */
  readonly at: number
}

/** Looks over the shoulder of processes, and sees what they sync. */
export class SyncTrace {
  readonly #strace: ChildProcess
  readonly #directory: string

  private constructor(strace: ChildProcess, directory: string) {
    this.#strace = strace
    this.#directory = directory
  }

  /** Whether this host has strace, and lets it look at processes that it did not start. */
  static async possible(): Promise<boolean> {
    const sleeper = spawn("sleep", ["60"], { stdio: "ignore" })
    try {
      const trace = await SyncTrace.of([sleeper.pid ?? 0])
      await trace.end()
      return true
    } catch {
      return false
    } finally {
      sleeper.kill()
    }
  }

  /** Begins to look. @throws Error when it cannot. */
  static async of(pids: readonly number[]): Promise<SyncTrace> {
    const directory = await mkdtemp(join(tmpdir(), "osb-trace-"))
    const options = ["-f", "-y", "-ttt", "-T", "-e", "trace=fsync,fdatasync", "-o", join(directory, "trace")]
    const strace = spawn("strace", [...options, ...pids.flatMap((pid) => ["-p", String(pid)])], {
      stdio: ["ignore", "ignore", "pipe"],
    })
    let said = ""
    let failure: Error | undefined
    strace.on("error", (error) => (failure = error))
    strace.stderr.setEncoding("utf8").on("data", (text: string) => (said += text))
    const trace = new SyncTrace(strace, directory)
    try {
      await eventually("strace to look at the processes", attachMs, () => {
        if (failure !== undefined) throw failure
        if (strace.exitCode !== null) throw new Error(`strace ended: ${said}`)
        return pids.every((pid) => said.includes(`Process ${pid} attached`)) ? true : undefined
      })
    } catch (error) {
      strace.kill("SIGKILL")
      await rm(directory, { recursive: true })
      throw error
    }
    return trace
  }

  /** Stops looking. @returns what was synced meanwhile, in that order. */
  async end(): Promise<Sync[]> {
    const ended = once(this.#strace, "exit")
    this.#strace.kill("SIGINT")
    await ended
    const lines = (await readFile(join(this.#directory, "trace"), "utf8")).split("\n")
    await rm(this.#directory, { recursive: true })
    return syncsIn(lines).sort((a, b) => a.at - b.at)
  }
}

/** A call that was done when it was written down, as in `12 1.5 fsync(3</tmp/file>) = 0 <0.25>`. */
const whole = /^\d+ +([\d.]+) f(?:data)?sync\(\d+<(.+)>\) += 0 <([\d.]+)>$/
/** One whose end comes later, when others have been written down. */
const begun = /^(\d+) +[\d.]+ f(?:data)?sync\(\d+<(.+)> <unfinished \.\.\.>$/
const done = /^(\d+) +([\d.]+) <\.\.\. f(?:data)?sync resumed>\) += 0 </

function syncsIn(lines: readonly string[]): Sync[] {
  const syncs: Sync[] = []
  const under = new Map<string, string>()
  for (const line of lines) {
    const [, start, path, duration] = whole.exec(line) ?? []
    if (path !== undefined) syncs.push({ path, at: (Number(start) + Number(duration)) * 1000 })
    const [, beginner, later] = begun.exec(line) ?? []
    if (beginner !== undefined && later !== undefined) under.set(beginner, later)
    const [, ender = "", end] = done.exec(line) ?? []
    const resumed = under.get(ender)
    if (resumed !== undefined) syncs.push({ path: resumed, at: Number(end) * 1000 })
    if (resumed !== undefined) under.delete(ender)
  }
  return syncs
}
