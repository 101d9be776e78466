import type {
  Change,
  Diff,
  Port,
  PortLink,
  ProcessEnd,
  ProcessInfo,
  FileInfo,
  FileList,
  FilesChanged,
  RecordedRun,
  RestoreAnswer,
  RetentionStatus,
  Snapshot,
  TerminalTicket,
  UndoAnswer,
  UnrecordedRun,
  VMInfo,
} from "./wire-types.js"

type Run = RecordedRun | UnrecordedRun

type FieldType =
  | "string"
  | "number"
  | "boolean"
  | "object"
  | "string?"
  | "number?"
  | "null"
  | "optional string"
  | "string or object"

/** For each field, what it must be; with a `?`, it may be null as well. */
type Shape<T> = Record<keyof T, FieldType>

const vmInfo: Shape<VMInfo> = {
  id: "number",
  name: "string",
  status: "string",
  agent_port: "number",
  ssh_port: "number",
  agentHealthy: "boolean",
  accelerator: "string",
  network: "string or object",
  snapshots: "string",
  cpus: "number",
  memory_mb: "number",
  disk_gb: "number",
  idle_timeout: "number?",
  expires_at: "string?",
  degraded: "string?",
  created_at: "string",
}

const snapshot: Shape<Snapshot> = {
  id: "number",
  vm_name: "string",
  snapshot_name: "string",
  label: "string?",
  parent: "string?",
  command: "string?",
  exit_code: "number?",
  duration_ms: "number?",
  bytes: "number",
  kind: "string",
  damaged: "boolean",
  degraded: "boolean",
  created_at: "string",
}

const runAnswer: Shape<Run> = {
  stdout: "string",
  stderr: "string",
  exitCode: "number",
  snapshot: "string",
  stdoutTruncated: "boolean",
  stderrTruncated: "boolean",
}

/** Whether the value is an object with these fields; it may have more. */
export function hasFields<T>(value: unknown, shape: Shape<T>): value is T {
  if (typeof value !== "object" || value === null) return false
  const fields = value as Record<string, unknown>
  return Object.entries<FieldType>(shape).every(([name, type]) => isOfType(fields[name], type))
}

function isOfType(value: unknown, type: FieldType): boolean {
  if (value === null) return type === "null" || type.endsWith("?")
  if (type === "optional string") return value === undefined || typeof value === "string"
  if (type === "string or object") return typeof value === "string" || typeof value === "object"
  return typeof value === type.replace("?", "")
}

export const isVMInfo = (value: unknown): value is VMInfo => hasFields(value, vmInfo)

const change: Shape<Change> = {
  path: "string",
  change: "string",
  type: "string",
  size: "number?",
  previous_size: "number?",
}

const diff: Shape<Diff> = {
  from: "string",
  to: "string?",
  changes: "object",
  truncated: "boolean",
  patch: "optional string",
}

const retentionStatus: Shape<RetentionStatus> = {
  keep_last: "number?",
  keep_days: "number?",
  max_bytes: "number?",
  quota_bytes: "number?",
  bytes: "number",
  snapshots: "number",
}

const processInfo: Shape<ProcessInfo> = {
  id: "string",
  pid: "number",
  command: "string",
  running: "boolean",
  exitCode: "number?",
  signal: "string?",
  started_at: "string",
}

const fileInfo: Shape<FileInfo> = {
  path: "string",
  name: "string",
  type: "string",
  size: "number",
  mode: "string",
  uid: "number",
  gid: "number",
  modified_at: "string",
  target: "string?",
}

export const isFileInfo = (value: unknown): value is FileInfo => hasFields(value, fileInfo)

export const isFileList = (value: unknown): value is FileList =>
  hasFields<FileList>(value, { entries: "object", truncated: "boolean" }) &&
  isListOf(value, "entries", isFileInfo)

export const isFilesChanged = (value: unknown): value is FilesChanged =>
  hasFields<FilesChanged>(value, { snapshot: "string?" })

/** Checks what a run answers, with or without a snapshot. */
export const isRunAnswer =
  (recorded: boolean) =>
  (value: unknown): value is Run =>
    hasFields(value, { ...runAnswer, snapshot: recorded ? "string" : "null" })

export const isMessage = (value: unknown): value is { message: string } =>
  hasFields<{ message: string }>(value, { message: "string" })

export const isRestoreAnswer = (value: unknown): value is RestoreAnswer =>
  hasFields<RestoreAnswer>(value, {
    message: "string",
    kept: "optional string",
    degraded: "optional string",
  })

export const isUndoAnswer = (value: unknown): value is UndoAnswer =>
  hasFields<UndoAnswer>(value, { message: "string", snapshot: "string", degraded: "optional string" })

export const isTerminalTicket = (value: unknown): value is TerminalTicket =>
  hasFields<TerminalTicket>(value, { ticket: "string", expires_at: "string" })

export const isRetentionStatus = (value: unknown): value is RetentionStatus =>
  hasFields(value, retentionStatus)

export const isDiff = (value: unknown): value is Diff =>
  hasFields(value, diff) && isListOf(value, "changes", (item) => hasFields(item, change))

export const isSnapshot = (value: unknown): value is Snapshot => hasFields(value, snapshot)

const port: Shape<Port> = { port: "number", public: "boolean" }

export const isPort = (value: unknown): value is Port => hasFields(value, port)

export const isPortList = (value: unknown): value is { ports: Port[] } => isListOf(value, "ports", isPort)

export const isPortLink = (value: unknown): value is PortLink =>
  hasFields<PortLink>(value, { token: "string", expires_at: "string" })
export const isProcessInfo = (value: unknown): value is ProcessInfo => hasFields(value, processInfo)

export const isProcessList = (value: unknown): value is { processes: ProcessInfo[] } =>
  isListOf(value, "processes", isProcessInfo)

export const isProcessOutput = (value: unknown): value is { base64: string } =>
  hasFields<{ base64: string }>(value, { base64: "string" })

export const isSkipped = (value: unknown): value is { bytes: number } =>
  hasFields<{ bytes: number }>(value, { bytes: "number" })

export const isProcessEnd = (value: unknown): value is ProcessEnd =>
  hasFields<ProcessEnd>(value, { exitCode: "number?", signal: "string?" })

export const isInputAnswer = (value: unknown): value is { written: number } =>
  hasFields<{ written: number }>(value, { written: "number" })

export const isVMList = (value: unknown): value is { vms: VMInfo[] } => isListOf(value, "vms", isVMInfo)

export const isSnapshotList = (value: unknown): value is { snapshots: Snapshot[] } =>
  isListOf(value, "snapshots", isSnapshot)

function isListOf(value: unknown, name: string, isItem: (item: unknown) => boolean): boolean {
  if (typeof value !== "object" || value === null) return false
  const list = (value as Record<string, unknown>)[name]
  return Array.isArray(list) && list.every(isItem)
}
