import { type ChildProcess, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { chmod, copyFile, mkdir, open } from "node:fs/promises"
import { join } from "node:path"
import {
  AgentConnection,
  commandLine,
  QmpClient,
  within,
  type Accelerator,
  type Image,
} from "@opensandbox/vm"
import { z } from "zod"

const qemu = "qemu-system-x86_64"

const diskFile = "disk.qcow2"

/** The disk's name inside of QEMU. */
const diskNode = "disk"

/** The same as a sandbox's machine. */
const memoryMiB = 512

/** A boot takes some three seconds under software emulation. */
const bootMilliseconds = 120_000

/** Saving a machine's memory takes some seconds under software emulation. */
const jobMilliseconds = 120_000

const stepMilliseconds = 600_000

const jobs = z.array(z.object({ id: z.string(), error: z.string().optional() }))

/**
 * A machine like a sandbox's, with the same image and hardware, that belongs to no server: booted, not cloned, and on
 * a single disk file.
 */
export class LoneMachine {
  /** The disk's file. */
  readonly disk: string
  readonly #directory: string
  readonly #process: ChildProcess
  readonly #qmp: QmpClient
  #agent: AgentConnection
  #lastJob = 0

  private constructor(directory: string, process: ChildProcess, qmp: QmpClient, agent: AgentConnection) {
    this.#directory = directory
    this.disk = join(directory, diskFile)
    this.#process = process
    this.#qmp = qmp
    this.#agent = agent
  }

  /**
   * @param directory Everything is in it.
   * @param devices Arguments of QEMU for what a sandbox's machine has not.
   * @throws Error when it does not come up; no process is left then.
   */
  static async boot(
    directory: string,
    image: Image,
    accelerator: Accelerator,
    devices: readonly string[] = [],
  ): Promise<LoneMachine> {
    await mkdir(directory, { recursive: true })
    await copyFile(image.blankDisk, join(directory, diskFile))
    // The image's own must not be written to.
    await chmod(join(directory, diskFile), 0o600)
    const args = commandLine({
      accelerator,
      image,
      cpus: 1,
      memoryMiB,
      network: false,
      memoryFile: join(directory, "memory"),
      memoryShared: false,
      disk: [{ node: diskNode, path: join(directory, diskFile) }],
      incoming: false,
      durability: "process",
    })
    const log = await open(join(directory, "log"), "w")
    const child = spawn(qemu, [...args, ...devices], {
      cwd: directory,
      stdio: ["ignore", log.fd, log.fd],
      // A Ctrl-C is for the benchmark, which then ends the machine.
      detached: true,
    })
    try {
      await once(child, "spawn")
      await log.close()
      const gone = () => child.exitCode !== null
      const qmp = await QmpClient.connect(join(directory, "qmp"), bootMilliseconds, gone)
      const agent = await connectAgent(directory)
      await agent.setup(
        {
          device: "/dev/vdb",
          hostname: "lone",
          machineId: randomBytes(16).toString("hex"),
          unixTimeMs: Date.now(),
          entropy: randomBytes(64).toString("base64"),
        },
        bootMilliseconds,
      )
      return new LoneMachine(directory, child, qmp, agent)
    } catch (error) {
      child.kill("SIGKILL")
      throw error
    }
  }

  /** Runs a command. @returns its output. @throws Error when it does not end with 0. */
  async run(command: string): Promise<string> {
    const output: Uint8Array[] = []
    const errors: Uint8Array[] = []
    const execution = this.#agent.exec(
      { command },
      { onStdout: (chunk) => void output.push(chunk), onStderr: (chunk) => void errors.push(chunk) },
    )
    const { exitCode } = await within(stepMilliseconds, "the end of the command", execution.result)
    if (exitCode !== 0)
      throw new Error(`the command ended with ${exitCode}: ${Buffer.concat(errors).toString()}`)
    return Buffer.concat(output).toString()
  }

  /** Reads a file, by the agent's frames alone. */
  async read(path: string): Promise<ReadableStream<Uint8Array>> {
    return (await this.#agent.files.read(path, { offset: 0 }, stepMilliseconds)).content
  }

  /** Saves memory, devices and disk into the disk's file. */
  async save(tag: string): Promise<void> {
    await this.#job("snapshot-save", { tag, vmstate: diskNode, devices: [diskNode] })
  }

  /** Goes on as it was when it was saved. */
  async load(tag: string): Promise<void> {
    this.#agent.close()
    await this.#job("snapshot-load", { tag, vmstate: diskNode, devices: [diskNode] })
    this.#agent = await connectAgent(this.#directory)
  }

  /** Deletes what was saved. */
  async delete(tag: string): Promise<void> {
    await this.#job("snapshot-delete", { tag, devices: [diskNode] })
  }

  /** Ends it at once. */
  async kill(): Promise<void> {
    this.#agent.close()
    this.#qmp.close()
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const exited = once(this.#process, "exit")
    this.#process.kill("SIGKILL")
    await exited
  }

  async #job(command: string, args: Record<string, unknown>): Promise<void> {
    const id = `job-${++this.#lastJob}`
    let forget: (() => void) | undefined
    const concluded = new Promise<void>((resolve) => {
      forget = this.#qmp.onEvent(({ event, data }) => {
        if (event === "JOB_STATUS_CHANGE" && data["id"] === id && data["status"] === "concluded") resolve()
      })
    })
    try {
      await this.#qmp.execute(command, { "job-id": id, ...args })
      await within(jobMilliseconds, `the end of ${command}`, concluded)
    } finally {
      forget?.()
    }
    const all = jobs.parse(await this.#qmp.execute("query-jobs"))
    await this.#qmp.execute("job-dismiss", { id })
    const error = all.find((job) => job.id === id)?.error
    if (error !== undefined) throw new Error(`${command}: ${error}`)
  }
}

function connectAgent(directory: string): Promise<AgentConnection> {
  return AgentConnection.connect(join(directory, "agent"), { deadlineMs: bootMilliseconds })
}
