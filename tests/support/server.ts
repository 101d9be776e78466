import { spawn, type ChildProcess } from "node:child_process"
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Client, type Sandbox } from "opensandbox"
import { WebSocket } from "ws"
import { eventually } from "./eventually.js"
import { isWarm, killMachine, runningMachines, type RunningMachine } from "./machines.js"
import { cli, repository } from "./repository.js"
import { succeeded } from "./results.js"

/** Milliseconds for a `beforeAll` that starts a server: the first start on a host boots a machine for the template. */
export const serverStartMs = 240_000

const readyMs = 180_000
const stopMs = 30_000
const keptOutput = 20_000

interface ServerOptions {
  /** Where it keeps everything; by default a new directory, which `dispose` removes. */
  dataDirectory?: string
  /** Further environment variables. */
  env?: Record<string, string>
  /** A program with arguments that runs the server's command, in its own place. */
  runBy?: readonly string[]
}

/** A real server: the built command `opensandbox serve` as a process of its own, on a free port. */
export class TestServer {
  readonly apiKey = `ws_${randomBytes(24).toString("hex")}`
  readonly dataDirectory: string
  readonly #env: Record<string, string>
  readonly #runBy: readonly string[]
  #process: ChildProcess | undefined
  #output = ""
  #url = ""
  #wasKilled = false
  #names = 0

  private constructor(dataDirectory: string, { env = {}, runBy = [] }: ServerOptions) {
    this.dataDirectory = dataDirectory
    this.#env = env
    this.#runBy = runBy
  }

  /** Starts a server and waits until it answers. */
  static async start(options: ServerOptions = {}): Promise<TestServer> {
    const dataDirectory = options.dataDirectory ?? (await mkdtemp(join(tmpdir(), "osb-")))
    const server = new TestServer(dataDirectory, options)
    try {
      await server.#spawn()
    } catch (error) {
      await server.kill()
      await server.dispose()
      throw error
    }
    return server
  }

  /** Its address; another one after a restart. */
  get url(): string {
    return this.#url
  }

  /** The number of its process. @throws Error when it does not run. */
  get pid(): number {
    const pid = this.#process?.pid
    if (pid === undefined) throw new Error("the server does not run")
    return pid
  }

  /** The end of what it printed and logged, for messages. */
  get output(): string {
    return this.#output
  }

  /** The SDK's client for it. */
  client(apiKey: string = this.apiKey): Client {
    return new Client(apiKey, this.#url, { WebSocket })
  }

  /** A reference to a sandbox, valid until the next restart. */
  sandbox(name: string): Sandbox {
    return this.client().sandbox(name)
  }

  /** A new sandbox with a name of its own. */
  async create(): Promise<Sandbox> {
    this.#names += 1
    return succeeded(await this.client().create(`box-${this.#names}`)).sandbox
  }

  /** The machines of its sandboxes that run now. */
  machines(): RunningMachine[] {
    return runningMachines(this.dataDirectory).filter((machine) => !isWarm(machine))
  }

  /** Its machines that wait to be used. */
  warmMachines(): RunningMachine[] {
    return runningMachines(this.dataDirectory).filter(isWarm)
  }

  /** Asks it to end. @throws Error when it does not, or does not end well. */
  async stop(): Promise<void> {
    const ended = this.#process
    if (ended === undefined) return
    ended.kill("SIGTERM")
    await eventually("the server's end", stopMs, () => (hasEnded(ended) ? true : undefined)).catch(
      async (error: unknown) => {
        await this.kill()
        throw this.#withOutput(error)
      },
    )
    this.#process = undefined
    if (ended.exitCode !== 0) {
      throw this.#withOutput(`the server ended with ${ended.exitCode ?? String(ended.signalCode)}`)
    }
  }

  /** Ends its process at once, as a crash would; its machines go on. */
  async kill(): Promise<void> {
    const ended = this.#process
    if (ended === undefined) return
    this.#process = undefined
    this.#wasKilled = true
    if (hasEnded(ended)) return
    const exit = once(ended, "exit")
    ended.kill("SIGKILL")
    await exit
  }

  /**
   * Starts it again on the same data directory, after it was ended in whatever way. Its address changes.
   *
   * @param failpoint A step, as OPENSANDBOX_FAILPOINT names it, at which it kills itself or fills its disk.
   */
  async restart(failpoint?: string): Promise<void> {
    await this.stop()
    this.#wasKilled = false
    await this.#spawn(failpoint)
  }

  /** Waits until it has killed itself at a failpoint. @throws Error when it does not, or ended in another way. */
  async killedItself(deadlineMs: number): Promise<void> {
    const ended = this.#process
    if (ended === undefined) throw new Error("the server does not run")
    await eventually("the server to kill itself", deadlineMs, () => (hasEnded(ended) ? true : undefined))
    this.#process = undefined
    this.#wasKilled = true
    if (ended.signalCode !== "SIGKILL") throw this.#withOutput("the server ended in another way")
  }

  /** Ends it and everything that it started, and removes its data. @throws Error when it left a machine behind. */
  async dispose(): Promise<void> {
    const problem = await this.stop().catch((error: unknown) => error)
    const left = runningMachines(this.dataDirectory)
    for (const machine of left) await killMachine(this.dataDirectory, machine)
    await rm(this.dataDirectory, { recursive: true, force: true })
    if (problem !== undefined) throw problem as Error
    if (left.length > 0 && !this.#wasKilled) {
      throw this.#withOutput(`the server left machines behind: ${left.map(({ id }) => id).join(", ")}`)
    }
  }

  async #spawn(failpoint?: string): Promise<void> {
    const armed = failpoint === undefined ? [] : ["--conditions=failpoints"]
    const command = [...this.#runBy, process.execPath, ...armed, cli, "serve", "--port", "0"]
    const [program = "", ...args] = command
    const server = spawn(program, args, {
      cwd: repository,
      env: {
        ...process.env,
        // Whether one is ready depends on what else goes on; who tests that says so.
        OPENSANDBOX_POOL_SIZE: "0",
        ...this.#env,
        OPENSANDBOX_API_KEY: this.apiKey,
        OPENSANDBOX_DATA_DIR: this.dataDirectory,
        OPENSANDBOX_FAILPOINT: failpoint,
      },
      stdio: ["ignore", "pipe", "pipe"],
    })
    this.#process = server
    this.#output = ""
    for (const stream of [server.stdout, server.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.#output = (this.#output + text).slice(-keptOutput)
      })
    }
    // A test run that ends early takes its server with it, which ends its machines.
    const end = () => server.kill("SIGTERM")
    process.once("exit", end)
    server.once("exit", () => process.off("exit", end))
    const failure = new Promise<never>((_, reject) => server.once("error", reject))
    this.#url = await Promise.race([failure, this.#ready(server)])
  }

  async #ready(server: ChildProcess): Promise<string> {
    try {
      return await eventually("the server to be ready", readyMs, () => {
        if (hasEnded(server)) throw new Error("the server ended instead of becoming ready")
        return /ready on (http:\/\/\S+)/.exec(this.#output)?.[1]
      })
    } catch (error) {
      throw this.#withOutput(error)
    }
  }

  #withOutput(problem: unknown): Error {
    return new Error(
      `${problem instanceof Error ? problem.message : String(problem)}; its output:\n${this.#output}`,
    )
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}
