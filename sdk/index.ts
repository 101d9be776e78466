export { Client } from "./client.js"
export type { ErrorCode } from "./contract/error-codes.js"
export type {
  CreateResult,
  DiffResult,
  ExportResult,
  Failure,
  ForkResult,
  InfoResult,
  ListResult,
  ReadAtResult,
  RestoreResult,
  RetentionResult,
  RunResult,
  SimpleResult,
  SnapshotResult,
  SnapshotsResult,
  UndoResult,
  UnrecordedRunResult,
} from "./results.js"
export { Sandbox, type RunOptions } from "./sandbox.js"
export type { Change, Diff, Retention, RetentionStatus, Snapshot, VMInfo } from "./wire-types.js"
