export { Client, type ClientOptions, type CreateOptions } from "./client.js"
export type {
  Directories,
  DownloadOptions,
  DownloadResult,
  DownloadTarResult,
  UploadOptions,
  UploadResult,
  UploadTarOptions,
  WatchOptions,
  WatchResult,
} from "./directories.js"
export type { ErrorCode } from "./contract/error-codes.js"
export { OpenSandboxError } from "./opensandbox-error.js"
export type { AttachOptions, Process, ProcessOptions } from "./process.js"
export type { OutputPiece } from "./process-output.js"
export type { StartOptions } from "./processes.js"
export type {
  ChangeOptions,
  ExistsResult,
  FileAttributes,
  Files,
  FilesChangedResult,
  ListFilesResult,
  ReadFileOptions,
  ReadFileResult,
  ReplaceOptions,
  StatResult,
} from "./files.js"
export type {
  AttachResult,
  BinaryRunResult,
  CreateResult,
  DiffResult,
  ExportResult,
  Failure,
  ForkResult,
  InfoResult,
  ListResult,
  PortResult,
  PortsResult,
  ProcessesResult,
  ReadAtResult,
  RestoreResult,
  RetentionResult,
  RunResult,
  SandboxResult,
  SimpleResult,
  SnapshotResult,
  SnapshotsResult,
  TerminalEnd,
  TerminalResult,
  UndoResult,
  UnrecordedBinaryRunResult,
  UnrecordedRunResult,
  UrlResult,
  WaitResult,
  WriteResult,
} from "./results.js"
export type { BinaryRunOptions, RunOptions } from "./run.js"
export { Sandbox, type ForkOptions } from "./sandbox.js"
export { Terminal, type TerminalOptions } from "./terminal.js"
export { unwrap } from "./unwrap.js"
export type { WebSocketConstructor, WebSocketLike } from "./web-socket.js"
export type { TransferProgress } from "./local/progress.js"
export type { Watcher, WatchEvent } from "./watcher.js"
export type {
  Change,
  Diff,
  FileInfo,
  LifetimeSettings,
  NetworkPolicy,
  Port,
  ProcessInfo,
  Retention,
  RetentionStatus,
  Snapshot,
  VMInfo,
} from "./wire-types.js"
