import type { RecordedRun, Snapshot, UnrecordedRun, VMInfo } from "./wire-types.js"

type Run = RecordedRun | UnrecordedRun

type FieldType = "string" | "number" | "boolean" | "string?" | "number?" | "null"

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
  return typeof value === type.replace("?", "")
}

export const isVMInfo = (value: unknown): value is VMInfo => hasFields(value, vmInfo)

/** Checks what a run answers, with or without a snapshot. */
export const isRunAnswer =
  (recorded: boolean) =>
  (value: unknown): value is Run =>
    hasFields(value, { ...runAnswer, snapshot: recorded ? "string" : "null" })

export const isMessage = (value: unknown): value is { message: string } =>
  hasFields<{ message: string }>(value, { message: "string" })

export const isVMList = (value: unknown): value is { vms: VMInfo[] } => isListOf(value, "vms", isVMInfo)

export const isSnapshotList = (value: unknown): value is { snapshots: Snapshot[] } =>
  isListOf(value, "snapshots", (item) => hasFields(item, snapshot))

function isListOf(value: unknown, name: string, isItem: (item: unknown) => boolean): boolean {
  if (typeof value !== "object" || value === null) return false
  const list = (value as Record<string, unknown>)[name]
  return Array.isArray(list) && list.every(isItem)
}
