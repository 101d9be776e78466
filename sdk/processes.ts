import type { Call, Caller } from "./call.js"
import { Process, type AttachOptions, type ProcessOptions } from "./process.js"
import type { AttachResult, ProcessesResult } from "./results.js"
import { isProcessInfo, isProcessList } from "./shapes.js"
import type { ProcessInfo } from "./wire-types.js"

/** How to start a process. */
export interface StartOptions extends ProcessOptions {
  /** The directory to start in; a relative one is in /workspace. Default: /workspace. */
  cwd?: string
  /** Who runs it: the name or the number of a user of the sandbox. Default: root. */
  user?: string
  /** Variables that are added to the environment. */
  env?: Record<string, string>
  /** A terminal of this size in the place of the pipes; all output is then standard output. */
  pty?: { cols: number; rows: number }
}

/** The processes of one sandbox. */
export class Processes {
  readonly #caller: Caller
  readonly #sandbox: string

  constructor(caller: Caller, sandbox: string) {
    this.#caller = caller
    this.#sandbox = sandbox
  }

  async start<Data>(command: string, options: StartOptions): Promise<AttachResult<Data>> {
    const { cwd, user, env, pty, ...listening } = options
    const call = { ...this.#call("POST"), body: { command, cwd, user, env, pty } }
    const answer = await this.#caller.call(call, isProcessInfo)
    return answer.success ? this.#handle(answer.body, { ...listening, offset: 0 }) : answer
  }

  async attach<Data>(process: number | string, options: AttachOptions): Promise<AttachResult<Data>> {
    const answer = await this.#caller.call(this.#call("GET", String(process)), isProcessInfo)
    return answer.success ? this.#handle(answer.body, options) : answer
  }

  async list(): Promise<ProcessesResult> {
    const answer = await this.#caller.call(this.#call("GET"), isProcessList)
    return answer.success ? { success: true, processes: answer.body.processes } : answer
  }

  #handle<Data>({ id, pid }: ProcessInfo, options: AttachOptions & { offset?: number }): AttachResult<Data> {
    const process = new Process<Data>({ ...options, caller: this.#caller, sandbox: this.#sandbox, id, pid })
    return { success: true, process }
  }

  #call(method: Call["method"], ...below: string[]): Call {
    return { method, path: ["vms", this.#sandbox, "processes", ...below] }
  }
}
