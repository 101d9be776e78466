import type { ErrorCode } from "./contract/error-codes.js"
import type { Sandbox } from "./sandbox.js"
import type { ErrorBody, RecordedRun, Snapshot, UnrecordedRun, VMInfo } from "./wire-types.js"

/**
 * What every method answers when it did not succeed: `error` says why, for people; `code` says it for programs.
 * A command that did not run to its end may have left `stdout` and `stderr`.
 */
export interface Failure extends ErrorBody {
  success: false
}

/** What `Client.create` answers. */
export type CreateResult = { success: true; sandbox: Sandbox } | Failure

/** What `Client.list` answers. */
export type ListResult = { success: true; vms: VMInfo[] } | Failure

/** What `Sandbox.run` answers; a success has run to its end, whatever its `exitCode`. */
export type RunResult = ({ success: true } & RecordedRun) | Failure

/** What `Sandbox.run` answers when it was to take no snapshot. */
export type UnrecordedRunResult = ({ success: true } & UnrecordedRun) | Failure

/** What `Sandbox.snapshots` answers. */
export type SnapshotsResult = { success: true; snapshots: Snapshot[] } | Failure

/** What `Sandbox.info` answers. */
export type InfoResult = { success: true; vm: VMInfo } | Failure

/** What methods answer that only do something. */
export type SimpleResult = { success: true; message: string } | Failure

export function failure(code: ErrorCode, error: string): Failure {
  return { success: false, error, code }
}
