import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { mkdir, open, readdir, readFile, readlink, rename, rm } from "node:fs/promises"
import { join } from "node:path"
import { poll } from "../deadline.js"
import { machineFiles } from "./command-line.js"

/** The program that a machine is. */
export const qemu = "qemu-system-x86_64"

/** How long a process that closed its sockets may still be seen when it ended by itself. */
const crashMilliseconds = 200

/** How long a process that was sent SIGKILL may take to be gone. */
const deathMilliseconds = 10_000

/** Makes a machine's directory, unless it is there, and does something in it. Where either fails, the directory is gone. */
export async function inNewDirectory<T>(directory: string, act: () => Promise<T>): Promise<T> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    return await act()
  } catch (error) {
    await rm(directory, { recursive: true, force: true })
    throw error
  }
}

/**
 * A QEMU process and its directory. The process outlives this server, so that a restarted server can take it up again;
 * it is therefore known by its number together with the time it was started, never by the number alone.
 */
export class MachineProcess {
  readonly pid: number
  #directory: string
  readonly #startTime: string

  private constructor(directory: string, pid: number, startTime: string) {
    this.#directory = directory
    this.pid = pid
    this.#startTime = startTime
  }

  /**
   * Starts QEMU in a directory of its own.
   *
   * @param inherited A file that QEMU gets as descriptor 3.
   * @throws Error when the program cannot be started; the directory is gone then.
   */
  static start(directory: string, args: string[], inherited?: string): Promise<MachineProcess> {
    return inNewDirectory(directory, () => MachineProcess.#spawn(directory, args, inherited))
  }

  static async #spawn(directory: string, args: string[], inherited?: string): Promise<MachineProcess> {
    const log = await open(join(directory, machineFiles.log), "a", 0o600)
    const extra = inherited === undefined ? undefined : await open(inherited, "r")
    try {
      const child = spawn(qemu, args, {
        cwd: directory,
        // A session of its own: a Ctrl-C at the server's terminal is for the server, which ends its machines in order.
        detached: true,
        stdio: ["ignore", log.fd, log.fd, ...(extra === undefined ? [] : [extra.fd])],
      })
      const pid = await new Promise<number>((resolve, reject) => {
        child.once("error", reject)
        child.once("spawn", () => {
          resolve(child.pid ?? 0)
        })
      })
      child.unref()
      // One that ended at once has no life any more, and is found to be gone like one that ends later.
      return new MachineProcess(directory, pid, lifeOf(pid)?.startTime ?? "")
    } finally {
      await log.close()
      await extra?.close()
    }
  }

  /** Finds the process that still runs in a directory, started by whichever server. */
  static async find(directory: string): Promise<MachineProcess | undefined> {
    for (const entry of await readdir("/proc")) {
      const pid = Number(entry)
      if (!Number.isInteger(pid) || !(await runsIn(pid, directory))) continue
      const life = lifeOf(pid)
      if (life !== undefined) return new MachineProcess(directory, pid, life.startTime)
    }
    return undefined
  }

  /** Where its sockets are; its working directory. */
  get directory(): string {
    return this.#directory
  }

  /** Gives its directory another name, by which it is found from then on. Who is connected to its sockets stays so. */
  async move(directory: string): Promise<void> {
    await rename(this.#directory, directory)
    this.#directory = directory
  }

  /** Whether it runs. When it does not, its files may still be open for a moment: see `gone`. */
  get running(): boolean {
    return this.#life?.dying === false
  }

  get #life(): Life | undefined {
    const life = lifeOf(this.pid)
    return life?.startTime === this.#startTime ? life : undefined
  }

  /** The end of what QEMU said on its standard error, as the end of a message. */
  async lastWords(): Promise<string> {
    return quoted(await lastWords(this.directory))
  }

  /** Whether it has ended by itself without a word, as a program does that crashed. It may be just about to. */
  async crashed(): Promise<boolean> {
    const gone = await this.gone(crashMilliseconds).then(
      () => true,
      () => false,
    )
    return gone && (await lastWords(this.directory)) === ""
  }

  /** Waits until nothing of the process is left. */
  async gone(milliseconds: number): Promise<void> {
    await poll(milliseconds, `the end of machine process ${this.pid}`, () =>
      this.#life === undefined ? true : undefined,
    )
  }

  /**
   * Ends the process at once, and removes its directory with its sockets.
   *
   * @throws DeadlineError when the kernel does not let go of it, as with a disk that does not answer.
   */
  async kill(): Promise<void> {
    try {
      if (this.running) process.kill(this.pid, "SIGKILL")
    } catch (error) {
      // It ended by itself just now.
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error
    }
    await this.gone(deathMilliseconds)
    await rm(this.directory, { recursive: true, force: true })
  }
}

interface Life {
  /** In clock ticks since boot; with its number it names a process for good. */
  readonly startTime: string
  /** Its first thread has ended, but others not yet, and with them its open files, their room and their locks. */
  readonly dying: boolean
}

/** What the kernel knows of a process; undefined when it is dead. */
function lifeOf(pid: number): Life | undefined {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8")
  } catch {
    return undefined
  }
  // The second field is the program's name in parentheses and may hold anything; see proc(5).
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  const [state, threads, startTime = ""] = [fields[0], fields[17], fields[19]]
  const dead = (state === "Z" && threads === "1") || state === "X"
  return dead ? undefined : { startTime, dying: state === "Z" }
}

async function runsIn(pid: number, directory: string): Promise<boolean> {
  try {
    const [program] = (await readFile(`/proc/${pid}/cmdline`, "utf8")).split("\0")
    if (program !== qemu) return false
    return (await readlink(`/proc/${pid}/cwd`)) === directory
  } catch {
    // The process ended while it was looked at, or is another user's.
    return false
  }
}

async function lastWords(directory: string): Promise<string> {
  const log = await readFile(join(directory, machineFiles.log), "utf8").catch(() => "")
  return log.trim().slice(-2000)
}

function quoted(words: string): string {
  return words === "" ? "QEMU said nothing" : `QEMU says: ${words}`
}
