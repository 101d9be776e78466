import type { Snapshot } from "./sandbox-service.js"
import type { ListedSnapshot } from "./sandbox-store.js"

/** A snapshot as the API shows it. */
export function snapshotAnswer(row: ListedSnapshot): Snapshot {
  return {
    id: row.id,
    vm_name: row.vm_name,
    snapshot_name: row.name,
    label: row.label,
    parent: row.parent,
    kind: row.memory_id === null ? "disk" : "machine",
    command: row.command,
    exit_code: row.exit_code,
    duration_ms: row.duration_ms,
    bytes: row.bytes,
    damaged: row.damaged,
    degraded: row.degraded,
    created_at: new Date(row.created_at).toISOString(),
  }
}
