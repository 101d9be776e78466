import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"

/** A start that has to boot the template under software emulation is over long before. */
const startMilliseconds = 180_000

/** A server that has not ended by then is killed. */
const stopMilliseconds = 30_000

const cli = fileURLToPath(new URL("../../cli/dist/index.js", import.meta.url))

export interface ServerOptions {
  readonly dataDirectory: string
  readonly apiKey: string
  /** Where images and templates are; the user's when left out. */
  readonly cacheDirectory?: string
  /** How many machines it keeps ready. None when left out: every start is then the same. */
  readonly poolSize?: number
}

/** A server in a process of its own, started as its users start it. */
export class ServerProcess {
  /** Where it listens. */
  readonly url: string
  /** From the start of its process until it said that it is ready, in milliseconds. */
  readonly startedIn: number
  readonly #process: ChildProcess

  private constructor(process: ChildProcess, url: string, startedIn: number) {
    this.#process = process
    this.url = url
    this.startedIn = startedIn
  }

  /** Fulfilled when the server is ready. @throws Error with what it said when it ends or takes too long. */
  static async start({
    dataDirectory,
    apiKey,
    cacheDirectory,
    poolSize = 0,
  }: ServerOptions): Promise<ServerProcess> {
    const start = performance.now()
    const child = spawn(process.execPath, [cli, "serve", "--port", "0", "--data-dir", dataDirectory], {
      env: {
        ...process.env,
        OPENSANDBOX_API_KEY: apiKey,
        OPENSANDBOX_POOL_SIZE: String(poolSize),
        ...(cacheDirectory !== undefined && { OPENSANDBOX_CACHE_DIR: cacheDirectory }),
      },
      stdio: ["ignore", "pipe", "pipe"],
      // A Ctrl-C is for the benchmarks, which then end the server.
      detached: true,
    })
    try {
      const url = await readyUrl(child)
      return new ServerProcess(child, url, performance.now() - start)
    } catch (error) {
      await end(child)
      throw error
    }
  }

  /** Ends the server with its machines. */
  async stop(): Promise<void> {
    await end(this.#process)
  }
}

function readyUrl(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = ""
    const fail = (what: string) => {
      clearTimeout(timer)
      reject(new Error(`The server ${what}. Its output:\n${output}`))
    }
    const read = (text: string) => {
      output = (output + text).slice(-10_000)
      const url = /ready on (http:\/\/\S+)/.exec(output)?.[1]
      if (url === undefined) return
      clearTimeout(timer)
      resolve(url)
    }
    const timer = setTimeout(fail, startMilliseconds, `was not ready within ${startMilliseconds / 1000} s`)
    child.stdout?.setEncoding("utf8").on("data", read)
    child.stderr?.setEncoding("utf8").on("data", read)
    child.once("error", (error) => {
      fail(`could not be started: ${error.message}`)
    })
    child.once("exit", () => {
      fail("ended")
    })
  })
}

async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, "exit")
  child.kill("SIGTERM")
  await Promise.race([exited, sleep(stopMilliseconds, undefined, { ref: false })])
  child.kill("SIGKILL")
  await exited
}
