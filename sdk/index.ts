export { Client } from "./client.js"
export type { ErrorCode } from "./contract/error-codes.js"
export type {
  CreateResult,
  Failure,
  InfoResult,
  ListResult,
  RunResult,
  SimpleResult,
  SnapshotsResult,
  UnrecordedRunResult,
} from "./results.js"
export { Sandbox, type RunOptions } from "./sandbox.js"
export type { Snapshot, VMInfo } from "./wire-types.js"
