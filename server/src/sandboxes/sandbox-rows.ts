import { sql } from "kysely"
import { collectUnneeded, insertLayer } from "../layers/layer-rows.js"
import { collectMemories, finishMemory } from "../memories/memory-rows.js"
import type { Database } from "../store/database.js"
import type { LayerRow, SandboxRow, SnapshotRow } from "../store/tables.js"
import type { Fork, Freed, NewSandbox, NewSnapshot } from "./sandbox-store.js"

// Steps on the tables of sandboxes and snapshots, for the transactions of `SandboxStore`.

/**
 * Forgets what nothing needs any more once snapshots are deleted.
 *
 * @param written Layers that a machine wrote to, and that are deleted as well.
 * @param paused What a paused sandbox would have gone on with.
 */
export async function collectAll(
  database: Database,
  snapshots: readonly Pick<SnapshotRow, "layer_id" | "memory_id">[],
  written: readonly LayerRow[] = [],
  paused: readonly Pick<SnapshotRow, "memory_id">[] = [],
): Promise<Freed> {
  const below = [...snapshots.map((row) => row.layer_id), ...written.map((row) => row.parent_id)]
  const { gone, left } = await collectUnneeded(database, below)
  const ids = written.map((row) => row.id)
  const memories = [...snapshots, ...paused].map((row) => row.memory_id)
  return {
    gone: [...ids, ...gone],
    left: left.filter((id) => !ids.includes(id)),
    memories: await collectMemories(database, memories),
  }
}

export function insertSandbox(database: Database, sandbox: NewSandbox): Promise<SandboxRow> {
  return database
    .insertInto("sandboxes")
    .values({
      owner_id: sandbox.ownerId,
      name: sandbox.name,
      image_key: sandbox.imageKey,
      machine_id: sandbox.machineId,
      agent_port: null,
      ssh_port: null,
      created_at: sandbox.createdAt,
      retention: sandbox.retention,
      network: sandbox.network,
      cpus: sandbox.size.cpus,
      memory_mb: sandbox.size.memoryMiB,
      disk_bytes: sandbox.size.diskBytes,
      snapshot_kind: sandbox.snapshotKind,
      ...sandbox.lifetime,
    })
    .returningAll()
    .executeTakeFirstOrThrow()
}

export async function insertFork(
  database: Database,
  { sandboxes, layer, last, present, memory }: Fork,
): Promise<SandboxRow[]> {
  const rows: SandboxRow[] = []
  if (memory !== undefined) await finishMemory(database, memory)
  for (const sandbox of sandboxes) {
    const row = await insertSandbox(database, sandbox)
    await copySnapshots(database, last, row.id)
    const content = { layer, memory: memory?.id ?? null, bytes: 0 }
    if (present !== undefined) await insertSnapshot(database, row.id, content, present)
    await insertHead(database, row, sandbox.head, layer)
    rows.push(row)
  }
  return rows
}

export async function insertHead(
  database: Database,
  sandbox: SandboxRow,
  head: string,
  parent: string | null,
): Promise<void> {
  const place = { parent_id: parent, image_key: sandbox.image_key, state: "head" } as const
  await insertLayer(database, { id: head, ...place, sandbox_id: sandbox.id })
}

export async function insertSnapshot(
  database: Database,
  sandboxId: number,
  content: { layer: string | null; memory: string | null; bytes: number },
  snapshot: NewSnapshot,
): Promise<void> {
  await database
    .insertInto("snapshots")
    .values({
      sandbox_id: sandboxId,
      name: snapshot.name,
      label: snapshot.label ?? null,
      layer_id: content.layer,
      memory_id: content.memory,
      bytes: content.bytes,
      command: snapshot.command,
      exit_code: snapshot.exitCode,
      duration_ms: snapshot.durationMs,
      created_at: snapshot.createdAt,
    })
    .execute()
}

/** Gives a sandbox the snapshots that another one has up to one of them. */
async function copySnapshots(database: Database, last: SnapshotRow, sandboxId: number): Promise<void> {
  await sql`
    insert into snapshots
      (sandbox_id, name, label, layer_id, memory_id, bytes, command, exit_code, duration_ms, created_at)
    select ${sandboxId}, name, label, layer_id, memory_id, bytes, command, exit_code, duration_ms, created_at
    from snapshots where sandbox_id = ${last.sandbox_id} and id <= ${last.id} order by id
  `.execute(database)
}
