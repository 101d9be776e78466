import type { Call, Caller } from "./call.js"
import { OpenSandboxError } from "./opensandbox-error.js"
import { processEvents, type Listening, type Outcome, type ProcessEvent } from "./process-events.js"
import { ProcessInput } from "./process-input.js"
import { bytesDecoder, decoded, textDecoder, type Encoding, type OutputPiece } from "./process-output.js"
import { failure, type SimpleResult, type WaitResult } from "./results.js"
import { isMessage } from "./shapes.js"

const unended = failure("unavailable", "The sandbox stopped telling of the process before its end")

/** How to listen to a process. */
export interface ProcessOptions {
  /** `utf8`, the default: output is text. `buffer`: it is bytes. */
  encoding?: Encoding
  /**
   * Hears how many bytes of output were lost before they could be read: the sandbox keeps 1 MiB of each process, and waits
   * two seconds for a reader that is slower than that.
   */
  onSkipped?: (bytes: number) => void
}

/** How to attach to a process. */
export interface AttachOptions extends ProcessOptions {
  /** Whether its output is waited for until it ends. Default true; else there is just what was printed so far. */
  follow?: boolean
}

/** What a handle of a process works with. */
interface ProcessParts extends AttachOptions {
  caller: Caller
  sandbox: string
  id: string
  pid: number
  /** Where its output begins; the oldest that is kept when left out. */
  offset?: number
}

/**
 * A process that goes on in the background of a sandbox, whoever listens. Made by `Sandbox.start` and `Sandbox.attach`. No
 * method rejects for what the server or the network does.
 *
 * `stdout`, `stderr` and `output` may be read at any time, and more than once: each time they begin with what the sandbox
 * keeps of what was printed, the last 1 MiB. Each ends when the process has ended, or can no longer be heard; `wait` says
 * which. A connection that is lost is made anew, where it was.
 */
export class Process<Data = string> {
  /** What no other process of the sandbox is ever called. Whatever is asked of this handle is asked of that process. */
  readonly id: string
  /** Its number in the sandbox, which may be another's once it has ended. */
  readonly pid: number
  /** Its standard input. */
  readonly stdin: ProcessInput
  readonly #caller: Caller
  readonly #call: (method: Call["method"], what: string) => Call
  readonly #options: ProcessParts
  readonly #detached = new AbortController()

  constructor(options: ProcessParts) {
    const { caller, sandbox, id, pid } = options
    this.id = id
    this.pid = pid
    this.#caller = caller
    this.#options = options
    this.#call = (method, what) => ({ method, path: ["vms", sandbox, "processes", id, what] })
    this.stdin = new ProcessInput(caller, this.#call("POST", "stdin"), this.#detached.signal)
  }

  /**
   * What it prints on its standard output, or on its terminal.
   * @example
   * for await (const text of process.stdout) console.log(text)
   */
  get stdout(): AsyncIterable<Data> {
    return this.#only("stdout")
  }

  /**
   * What it prints on its standard error.
   * @example
   * for await (const text of process.stderr) console.error(text)
   */
  get stderr(): AsyncIterable<Data> {
    return this.#only("stderr")
  }

  /**
   * All that it prints, in the order in which it came.
   * @example
   * for await (const { stream, data } of process.output) console.log(stream, data)
   */
  get output(): AsyncIterable<OutputPiece<Data>> {
    return { [Symbol.asyncIterator]: () => this.#pieces("both") }
  }

  /**
   * Waits for its end: an exit code, or the signal that ended it. Fails with `interrupted` when the sandbox went back to a
   * snapshot, or was paused (then it can be waited for again), and with `not_found` once the process is forgotten.
   * @example
   * const end = await process.wait()
   * if (end.success) console.log(end.exitCode, end.signal)
   */
  async wait(): Promise<WaitResult> {
    const events = this.#events("none", true)
    for (;;) {
      const { done, value } = await events.next()
      if (done === true) return "running" in value ? unended : value
    }
  }

  /**
   * Sends it a signal: `SIGKILL` ends everything that it started, another goes to its process group.
   * @example
   * await process.kill("SIGINT")
   */
  async kill(signal = "SIGTERM"): Promise<SimpleResult> {
    return this.#simple({ ...this.#call("POST", "signal"), body: { signal } })
  }

  /**
   * Changes the size of its terminal, if it has one.
   * @example
   * await process.resize(120, 40)
   */
  async resize(cols: number, rows: number): Promise<SimpleResult> {
    return this.#simple({ ...this.#call("POST", "resize"), body: { cols, rows } })
  }

  /**
   * Lets go of it: what is being read ends, and what is waited for fails with `aborted`. The process goes on, and can be
   * attached to again.
   * @example
   * process.detach()
   */
  detach(): void {
    this.#detached.abort()
  }

  /**
   * Kills it and waits until it has ended, at the end of an `await using`.
   * @throws OpenSandboxError when it cannot be killed: a block's end has no result that could tell
   * @example
   * await using process = unwrap(await sandbox.start("npm run dev")).process
   */
  async [Symbol.asyncDispose](): Promise<void> {
    const killed = await this.kill("SIGKILL")
    if (killed.success) await this.wait()
    this.detach()
    // One that has ended needs no killing.
    if (!killed.success && killed.code !== "not_found") throw new OpenSandboxError(killed)
  }

  #only(stream: "stdout" | "stderr"): AsyncIterable<Data> {
    const pieces = () => this.#pieces(stream)
    return {
      async *[Symbol.asyncIterator]() {
        for await (const { data } of pieces()) yield data
      },
    }
  }

  #pieces(streams: Listening["streams"]): AsyncGenerator<OutputPiece<Data>, void, undefined> {
    const { encoding, onSkipped = () => undefined, follow = true } = this.#options
    const newDecoder = encoding === "buffer" ? bytesDecoder : textDecoder
    const pieces = decoded<string | Uint8Array>(this.#events(streams, follow), newDecoder, onSkipped)
    // The type of the data is that of the encoding; see `Sandbox.start`.
    return pieces as AsyncGenerator<OutputPiece<Data>, void, undefined>
  }

  #events(streams: Listening["streams"], follow: boolean): AsyncGenerator<ProcessEvent, Outcome, undefined> {
    const { offset } = this.#options
    const listening = { streams, offset, follow, signal: this.#detached.signal }
    return processEvents(this.#caller, this.#call("GET", "output"), listening)
  }

  async #simple(call: Call): Promise<SimpleResult> {
    const answer = await this.#caller.call(call, isMessage)
    return answer.success ? { success: true, message: answer.body.message } : answer
  }
}
