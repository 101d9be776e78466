import type { Call, Caller } from "./call.js"
import { defaultTimeoutSeconds, maxTimeoutSeconds } from "./contract/limits.js"
import type { InfoResult, RunResult, SimpleResult, SnapshotsResult, UnrecordedRunResult } from "./results.js"
import { isMessage, isRunAnswer, isSnapshotList, isVMInfo } from "./shapes.js"
import { stringArgument } from "./string-argument.js"

/** Milliseconds that the server gets on top of a command's own timeout, to start its machine and take the snapshot. */
const graceMs = 60_000

/** Seconds from which on a command's answer comes as an event stream; Node's fetch gives up on headers after 300. */
const eventStreamSeconds = 120

/** How to run a command. */
export interface RunOptions {
  /** Seconds until the command is killed, with everything it started. Default 30, at most 86400. */
  timeout?: number
  /** Whether a snapshot is taken after the command. Default true. */
  snapshot?: boolean
}

/** A sandbox on the server, by name. Made by `Client.create` and `Client.sandbox`. No method ever rejects. */
export class Sandbox {
  readonly name: string
  readonly #caller: Caller

  constructor(caller: Caller, name: string) {
    this.#caller = caller
    this.name = name
  }

  /**
   * Runs a shell command in /workspace and takes a snapshot after it. A command that ran to its end is a success
   * whatever its exit code.
   * @param timeout seconds until the command is killed, with everything it started; at most 86400
   */
  run(command: string, timeout?: number): Promise<RunResult>
  /**
   * Runs a shell command in /workspace; with `snapshot: false`, without a snapshot after it.
   * @example
   * await sandbox.run("make -j4", { timeout: 600 })
   * await sandbox.run("cat log", { snapshot: false })
   */
  run(command: string, options: RunOptions & { snapshot?: true }): Promise<RunResult>
  run(command: string, options: RunOptions & { snapshot: false }): Promise<UnrecordedRunResult>
  run(command: string, options: RunOptions): Promise<RunResult | UnrecordedRunResult>
  async run(command: string, given?: number | RunOptions): Promise<RunResult | UnrecordedRunResult> {
    const options = typeof given === "object" ? given : { timeout: given }
    const { timeout = defaultTimeoutSeconds, snapshot = true } = options as RunOptions
    const call: Call = {
      ...this.#request("POST", "run"),
      body: { command, timeout, ...(!snapshot && { snapshot }) },
      ...(timeout > 0 && timeout <= maxTimeoutSeconds && { deadlineMs: Math.ceil(timeout * 1000) + graceMs }),
      eventStream: timeout > eventStreamSeconds,
    }
    const answer = await this.#caller.call(call, isRunAnswer(snapshot))
    return answer.success ? { ...answer.body, success: true } : answer
  }

  /** The sandbox's snapshots, by creation time. */
  async snapshots(): Promise<SnapshotsResult> {
    const answer = await this.#caller.call(this.#request("GET", "snapshots"), isSnapshotList)
    return answer.success ? { success: true, snapshots: answer.body.snapshots } : answer
  }

  /** Goes back to a snapshot. All snapshots after it are deleted, and the sandbox's processes end. */
  async restore(snapshot_name: string): Promise<SimpleResult> {
    const snapshot = stringArgument("snapshot_name", snapshot_name)
    return this.#simple(this.#request("POST", "snapshots", snapshot, "restore"))
  }

  /** The sandbox and the state of its virtual machine. */
  async info(): Promise<InfoResult> {
    const answer = await this.#caller.call(this.#request("GET"), isVMInfo)
    return answer.success ? { success: true, vm: answer.body } : answer
  }

  /** Removes all files in the workspace, without a snapshot. */
  async wipe(): Promise<SimpleResult> {
    return this.#simple(this.#request("POST", "wipe"))
  }

  /** Removes the sandbox and all its snapshots, permanently. */
  async destroy(): Promise<SimpleResult> {
    return this.#simple(this.#request("DELETE"))
  }

  async #simple(call: Call): Promise<SimpleResult> {
    const answer = await this.#caller.call(call, isMessage)
    return answer.success ? { success: true, message: answer.body.message } : answer
  }

  #request(method: Call["method"], ...below: string[]): Call {
    return { method, path: ["vms", this.name, ...below] }
  }
}
