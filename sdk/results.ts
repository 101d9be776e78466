import type { ErrorCode } from "./contract/error-codes.js"
import type { Process } from "./process.js"
import type { Sandbox } from "./sandbox.js"
import type { Terminal } from "./terminal.js"
import type {
  Diff,
  ErrorBody,
  Port,
  ProcessEnd,
  ProcessInfo,
  RecordedRun,
  RestoreAnswer,
  RetentionStatus,
  Snapshot,
  TerminalExit,
  UndoAnswer,
  UnrecordedRun,
  VMInfo,
} from "./wire-types.js"

/**
 * What every method answers when it did not succeed: `error` says why, for people; `code` says it for programs.
 * A command that did not run to its end may have left `stdout` and `stderr`.
 */
export interface Failure extends ErrorBody {
  success: false
}

/** What `Client.create` answers; `reused`: it was there already, and is as it was. */
export type CreateResult = { success: true; sandbox: Sandbox; reused: boolean } | Failure

/** What `Client.import` and `Sandbox.fork` answer. */
export type SandboxResult = { success: true; sandbox: Sandbox } | Failure

/** What `Client.fork` answers: the new sandboxes, in the order of their names. */
export type ForkResult = { success: true; sandboxes: Sandbox[] } | Failure

/** What `Client.list` answers. */
export type ListResult = { success: true; vms: VMInfo[] } | Failure

/** What `Sandbox.run` answers; a success has run to its end, whatever its `exitCode`. */
export type RunResult = ({ success: true } & RecordedRun) | Failure

/** What `Sandbox.run` answers when it was to take no snapshot. */
export type UnrecordedRunResult = ({ success: true } & UnrecordedRun) | Failure

/** Output as bytes, in the place of text. */
type Binary<Run> = Omit<Run, "stdout" | "stderr"> & {
  stdout: Uint8Array<ArrayBuffer>
  stderr: Uint8Array<ArrayBuffer>
}

/** What `Sandbox.run` answers with `encoding: "buffer"`. */
export type BinaryRunResult = ({ success: true } & Binary<RecordedRun>) | Failure

/** What `Sandbox.run` answers with `encoding: "buffer"` when it was to take no snapshot. */
export type UnrecordedBinaryRunResult = ({ success: true } & Binary<UnrecordedRun>) | Failure

/** What `Sandbox.snapshots` answers. */
export type SnapshotsResult = { success: true; snapshots: Snapshot[] } | Failure

/** What `Sandbox.snapshot` answers. */
export type SnapshotResult = { success: true; snapshot: Snapshot } | Failure

/**
 * What `Sandbox.restore` answers; `kept` names the sandbox that holds what was the present, if it was to be kept;
 * `degraded` says why memory and processes could not be brought back, if the snapshot has them and they are not.
 */
export type RestoreResult = ({ success: true } & RestoreAnswer) | Failure

/** What `Sandbox.undo` answers; `snapshot` is the one that the sandbox is back at, `degraded` as for a restore. */
export type UndoResult = ({ success: true } & UndoAnswer) | Failure

/** What `Sandbox.diff` answers. */
export type DiffResult = ({ success: true } & Diff) | Failure

/** What `Sandbox.readAt` answers: a file's bytes, and what they are as UTF-8. */
export type ReadAtResult = { success: true; bytes: Uint8Array<ArrayBuffer>; content: string } | Failure

/** What `Sandbox.retention` and `Sandbox.setRetention` answer. */
export type RetentionResult = { success: true; retention: RetentionStatus } | Failure

/** What `Sandbox.export` answers. The stream fails when the archive breaks off: only one that ends is complete. */
export type ExportResult = { success: true; archive: ReadableStream<Uint8Array> } | Failure

/** What `Sandbox.start` and `Sandbox.attach` answer. */
export type AttachResult<Data = string> = { success: true; process: Process<Data> } | Failure

/** What `Sandbox.processes` answers. */
export type ProcessesResult = { success: true; processes: ProcessInfo[] } | Failure

/** What `Process.wait` answers. */
export type WaitResult = ({ success: true } & ProcessEnd) | Failure

/** What writing to a process answers. */
export type WriteResult = { success: true } | Failure

/** What `Sandbox.info`, `pause`, `resume` and `setLifetime` answer. */
export type InfoResult = { success: true; vm: VMInfo } | Failure

/** What `Sandbox.ports` answers: those that are public. */
export type PortsResult = { success: true; ports: Port[] } | Failure

/** What `Sandbox.setPort` answers. */
export type PortResult = { success: true; port: Port } | Failure

/** What `Sandbox.url` answers where a link is made that expires, at `expires_at` (ISO 8601). */
export type UrlResult = { success: true; url: string; expires_at: string } | Failure

/** What `Sandbox.terminal` answers. */
export type TerminalResult = { success: true; terminal: Terminal } | Failure

/** How a terminal's shell ended: `exitCode` is null when a signal ended it, `signal` when it exited. */
export type TerminalEnd = ({ success: true } & Omit<TerminalExit, "type">) | Failure

/** What methods answer that only do something. */
export type SimpleResult = { success: true; message: string } | Failure

export function failure(code: ErrorCode, error: string): Failure {
  return { success: false, error, code }
}
