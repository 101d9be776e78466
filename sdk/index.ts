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
  PortResult,
  PortsResult,
  ReadAtResult,
  RestoreResult,
  RetentionResult,
  RunResult,
  SimpleResult,
  SnapshotResult,
  SnapshotsResult,
  UndoResult,
  UnrecordedRunResult,
  UrlResult,
} from "./results.js"
export { Sandbox, type RunOptions } from "./sandbox.js"
export type { Change, Diff, Port, Retention, RetentionStatus, Snapshot, VMInfo } from "./wire-types.js"
