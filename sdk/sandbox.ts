import type { Call, Caller } from "./call.js"
import { defaultTimeoutSeconds, maxTimeoutSeconds } from "./contract/limits.js"
import type { InfoResult, RunResult, SimpleResult, SnapshotsResult } from "./results.js"
import { isMessage, isRunAnswer, isSnapshotList, isVMInfo } from "./shapes.js"
import { stringArgument } from "./string-argument.js"

/** Milliseconds that the server gets on top of a command's own timeout, to start its machine and take the snapshot. */
const graceMs = 60_000

/** Seconds from which on a command's answer comes as an event stream; Node's fetch gives up on headers after 300. */
const eventStreamSeconds = 120

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
  async run(command: string, timeout: number = defaultTimeoutSeconds): Promise<RunResult> {
    const answer = await this.#caller.call(
      {
        ...this.#request("POST", "run"),
        body: { command, timeout },
        ...(timeout > 0 &&
          timeout <= maxTimeoutSeconds && { deadlineMs: Math.ceil(timeout * 1000) + graceMs }),
        eventStream: timeout > eventStreamSeconds,
      },
      isRunAnswer,
    )
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
