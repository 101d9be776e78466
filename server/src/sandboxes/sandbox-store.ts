import { sql } from "kysely"
import { advanceHead, insertLayer, removeWritable, type Unneeded } from "../layers/layer-rows.js"
import type { RecordedLifetime } from "../lifetime/lifetime.js"
import { finishMemory, type WrittenMemory } from "../memories/memory-rows.js"
import type { Database } from "../store/database.js"
import type { SandboxSize } from "./size.js"
import type { SandboxRow, SnapshotKind, SnapshotRow } from "../store/tables.js"
import { collectAll, insertFork, insertHead, insertSandbox, insertSnapshot } from "./sandbox-rows.js"

/** A snapshot as it is recorded. */
export interface NewSnapshot {
  readonly name: string
  readonly label?: string
  /** The command after which it is taken; null where there was none. */
  readonly command: string | null
  readonly exitCode: number | null
  /** How long the command ran, in whole milliseconds. */
  readonly durationMs: number | null
  /** Unix milliseconds. */
  readonly createdAt: number
}

/** A sandbox as it is recorded. */
export interface NewSandbox {
  readonly ownerId: number
  readonly name: string
  readonly imageKey: string
  /** The machine that runs already; null where none does. */
  readonly machineId: string | null
  /** The layer that its machine writes to. */
  readonly head: string
  /** Unix milliseconds. */
  readonly createdAt: number
  /** The limits that are its own, as JSON. */
  readonly retention: string
  /** What it may reach, as JSON. */
  readonly network: string
  readonly size: SandboxSize
  /** What the snapshots hold that are taken by themselves. */
  readonly snapshotKind: SnapshotKind
  /** When it is paused and destroyed by itself. */
  readonly lifetime: RecordedLifetime
}

/** What a machine had written to when its disk was sealed. */
export interface SealedHead {
  readonly layer: string
  /** What it writes to since then. */
  readonly head: string
  /** What the sealed layer takes on the disk. */
  readonly bytes: number
}

/** A machine as it was at one instant. */
export interface SealedMachine {
  /** Its memory, which is not finished yet. */
  readonly memory: WrittenMemory
  /** The layer that shows its disk; null is the blank disk. */
  readonly layer: string | null
  /** Left out when nothing had been written on top of that layer. */
  readonly sealed?: SealedHead
}

/** Sandboxes that begin where another one is or was, with its snapshots up to there. */
export interface Fork {
  readonly sandboxes: readonly NewSandbox[]
  /** What they begin with; null is the blank disk. */
  readonly layer: string | null
  /** The newest snapshot that they have too. */
  readonly last: SnapshotRow
  /** A snapshot of `layer` that they have beyond that. */
  readonly present?: NewSnapshot | undefined
  /** The memory of `present`, which is not finished yet. */
  readonly memory?: WrittenMemory | undefined
}

/** What nothing needs any more. */
export interface Freed extends Unneeded {
  /** The memories that are forgotten already, and whose files may be removed. */
  readonly memories: readonly string[]
}

/** A snapshot in the list of its sandbox. */
export interface ListedSnapshot extends SnapshotRow {
  readonly vm_name: string
  /** The name of the one before it in its sandbox. */
  readonly parent: string | null
  /** Whether a layer that it rests on is damaged. */
  readonly damaged: boolean
  /** Whether a memory that it rests on is damaged. */
  readonly degraded: boolean
}

/** What is computed for a snapshot in the list; SQLite has no truth values. */
type Flag = "damaged" | "degraded"

/** The name of the snapshot that every sandbox begins with. */
export const initialSnapshot = "initial"

/**
 * What the database knows of sandboxes and their snapshots. Each method is one transaction that takes the state from
 * one valid one to the next, with the layers: what is half made is in no table, so a crash leaves nothing here to mend.
 */
export class SandboxStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  sandboxes(): Promise<SandboxRow[]> {
    return this.#database.selectFrom("sandboxes").selectAll().orderBy("id").execute()
  }

  /** The images that sandboxes rest on. */
  async imageKeys(): Promise<Set<string>> {
    const rows = await this.#database.selectFrom("sandboxes").select("image_key").distinct().execute()
    return new Set(rows.map((row) => row.image_key))
  }

  /**
   * Records a sandbox whose head is ready, with its first snapshot: the image's blank disk, or what was taken in.
   *
   * @param taken A sealed layer on the blank disk, and the snapshot of it, with which the sandbox begins.
   */
  create(
    sandbox: NewSandbox,
    taken?: { layer: string; bytes: number; snapshot: NewSnapshot },
  ): Promise<SandboxRow> {
    return this.#database.transaction().execute(async (transaction) => {
      const row = await insertSandbox(transaction, sandbox)
      const initial = { command: null, exitCode: null, durationMs: null, createdAt: sandbox.createdAt }
      const blank = { layer: null, memory: null, bytes: 0 }
      await insertSnapshot(transaction, row.id, blank, { name: initialSnapshot, ...initial })
      if (taken !== undefined) {
        const { layer, bytes, snapshot } = taken
        const place = {
          parent_id: null,
          image_key: sandbox.imageKey,
          state: "sealed",
          sandbox_id: null,
        } as const
        await insertLayer(transaction, { id: layer, ...place, bytes })
        await insertSnapshot(transaction, row.id, { layer, memory: null, bytes }, snapshot)
      }
      await insertHead(transaction, row, sandbox.head, taken?.layer ?? null)
      return row
    })
  }

  /** Records forks whose heads are ready. */
  fork(fork: Fork): Promise<SandboxRow[]> {
    return this.#database.transaction().execute((transaction) => insertFork(transaction, fork))
  }

  /** Forgets a sandbox with its snapshots. */
  destroy(sandboxId: number): Promise<Freed> {
    return this.#database.transaction().execute(async (transaction) => {
      const snapshots = await transaction
        .deleteFrom("snapshots")
        .where("sandbox_id", "=", sandboxId)
        .returning(["layer_id", "memory_id"])
        .execute()
      const written = await removeWritable(transaction, sandboxId)
      const paused = await transaction
        .deleteFrom("sandboxes")
        .where("id", "=", sandboxId)
        .returning("paused_memory_id as memory_id")
        .execute()
      return collectAll(transaction, snapshots, written, paused)
    })
  }

  async setMachine(sandboxId: number, machineId: string | null): Promise<void> {
    await this.#update(sandboxId, { machine_id: machineId })
  }

  async setPorts(sandboxId: number, ports: { agentPort: number; sshPort: number }): Promise<void> {
    await this.#update(sandboxId, { agent_port: ports.agentPort, ssh_port: ports.sshPort })
  }

  /** @param retention The limits that are the sandbox's own, as JSON. */
  async setRetention(sandboxId: number, retention: string): Promise<void> {
    await this.#update(sandboxId, { retention })
  }

  async setLifetime(sandboxId: number, lifetime: RecordedLifetime): Promise<void> {
    await this.#update(sandboxId, lifetime)
  }

  /** Records a snapshot: the sealed layer, and the new head on top of it. Once this returns, the snapshot exists. */
  async addSnapshot(sandboxId: number, sealed: SealedHead, snapshot: NewSnapshot): Promise<void> {
    await this.#database.transaction().execute(async (transaction) => {
      await advanceHead(transaction, sealed.layer, sealed.head, sealed.bytes)
      await insertSnapshot(transaction, sandboxId, { ...sealed, memory: null }, snapshot)
    })
  }

  /** Records a snapshot of the whole machine, as `addSnapshot` does. */
  async addMachineSnapshot(
    sandboxId: number,
    { memory, layer, sealed }: SealedMachine,
    snapshot: NewSnapshot,
  ): Promise<void> {
    await this.#database.transaction().execute(async (transaction) => {
      if (sealed !== undefined) await advanceHead(transaction, sealed.layer, sealed.head, sealed.bytes)
      await finishMemory(transaction, memory)
      const bytes = memory.bytes + (sealed?.bytes ?? 0)
      await insertSnapshot(transaction, sandboxId, { layer, memory: memory.id, bytes }, snapshot)
    })
  }

  /**
   * Records a snapshot of a disk that has not changed since a layer was sealed: another name for that layer.
   *
   * @param bytes What the snapshot added on the disk, where the layer was sealed for its sake.
   */
  nameLayer(sandboxId: number, layer: string | null, snapshot: NewSnapshot, bytes = 0): Promise<void> {
    return insertSnapshot(this.#database, sandboxId, { layer, memory: null, bytes }, snapshot)
  }

  /** By creation time; the sandbox's, or all of an owner's. */
  async snapshots(of: { sandboxId: number } | { ownerId: number }): Promise<ListedSnapshot[]> {
    const column = "sandboxId" in of ? sql`sandboxes.id` : sql`sandboxes.owner_id`
    const value = "sandboxId" in of ? of.sandboxId : of.ownerId
    const { rows } = await sql<Omit<ListedSnapshot, "damaged" | "degraded"> & Record<Flag, 0 | 1>>`
      with recursive damaged(id) as (
        select id from layers where damage is not null
        union
        select layers.id from layers join damaged on layers.parent_id = damaged.id
      ), degraded(id) as (
        select id from memories where damage is not null
        union
        select memories.id from memories join degraded on memories.parent_id = degraded.id
      )
      select snapshots.*, sandboxes.name as vm_name,
        snapshots.layer_id in (select id from damaged) as damaged,
        snapshots.memory_id in (select id from degraded) as degraded,
        lag(snapshots.name) over (partition by sandbox_id order by snapshots.id) as parent
      from snapshots join sandboxes on sandboxes.id = sandbox_id
      where ${column} = ${value}
      order by snapshots.created_at, snapshots.id
    `.execute(this.#database)
    return rows.map(({ damaged, degraded, ...row }) => ({
      ...row,
      damaged: damaged === 1,
      degraded: degraded === 1,
    }))
  }

  /** @param name The snapshot's name or label. */
  snapshot(sandboxId: number, name: string): Promise<SnapshotRow | undefined> {
    return this.#database
      .selectFrom("snapshots")
      .selectAll()
      .where("sandbox_id", "=", sandboxId)
      .where((where) => where.or([where("name", "=", name), where("label", "=", name)]))
      .executeTakeFirst()
  }

  /** The snapshots of a sandbox that were taken last, the newest first. There is always one. */
  newestSnapshots(sandboxId: number, count: number): Promise<SnapshotRow[]> {
    return this.#database
      .selectFrom("snapshots")
      .selectAll()
      .where("sandbox_id", "=", sandboxId)
      .orderBy("id", "desc")
      .limit(count)
      .execute()
  }

  /** The snapshots of a sandbox that nobody asked to keep, from the oldest. */
  expendableSnapshots(sandboxId: number): Promise<SnapshotRow[]> {
    return this.#database
      .selectFrom("snapshots")
      .selectAll()
      .where("sandbox_id", "=", sandboxId)
      .where("label", "is", null)
      .where("name", "!=", initialSnapshot)
      .orderBy("id")
      .execute()
  }

  /** How many snapshots a sandbox has. */
  async countSnapshots(sandboxId: number): Promise<number> {
    const { count } = await this.#database
      .selectFrom("snapshots")
      .select((select) => select.fn.countAll<number>().as("count"))
      .where("sandbox_id", "=", sandboxId)
      .executeTakeFirstOrThrow()
    return count
  }

  /** What the sealed layers that a sandbox rests on take on the disk, those that others share included. */
  async sealedBytes(sandboxId: number): Promise<number> {
    const { rows } = await sql<{ bytes: number }>`
      with recursive used(id) as (
        select layer_id from snapshots where sandbox_id = ${sandboxId} and layer_id is not null
        union
        select id from layers where sandbox_id = ${sandboxId}
        union
        select layers.parent_id from layers join used on layers.id = used.id where layers.parent_id is not null
      )
      select coalesce(sum(bytes), 0) as bytes from layers where id in (select id from used)
    `.execute(this.#database)
    return rows[0]?.bytes ?? 0
  }

  /** What the memories that a sandbox's snapshots rest on take on the disk, those that others share included. */
  async memoryBytes(sandboxId: number): Promise<number> {
    const { rows } = await sql<{ bytes: number }>`
      with recursive used(id) as (
        select memory_id from snapshots where sandbox_id = ${sandboxId} and memory_id is not null
        union
        select paused_memory_id from sandboxes where id = ${sandboxId} and paused_memory_id is not null
        union
        select memories.parent_id from memories join used on memories.id = used.id where memories.parent_id is not null
      )
      select coalesce(sum(bytes), 0) as bytes from memories where id in (select id from used)
    `.execute(this.#database)
    return rows[0]?.bytes ?? 0
  }

  /** Forgets snapshots. */
  deleteSnapshots(snapshots: readonly SnapshotRow[]): Promise<Freed> {
    return this.#database.transaction().execute(async (transaction) => {
      const ids = JSON.stringify(snapshots.map((snapshot) => snapshot.id))
      await sql`delete from snapshots where id in (select value from json_each(${ids}))`.execute(transaction)
      return collectAll(transaction, snapshots)
    })
  }

  /**
   * Goes back to a snapshot: deletes the snapshots after it, and takes a new head and machine.
   *
   * @param keep A fork of what the sandbox was until now.
   */
  restore(
    sandbox: SandboxRow,
    target: SnapshotRow,
    head: string,
    machineId: string,
    keep?: Fork,
  ): Promise<Freed & { kept: SandboxRow[] }> {
    return this.#database.transaction().execute(async (transaction) => {
      const kept = keep === undefined ? [] : await insertFork(transaction, keep)
      const later = await transaction
        .deleteFrom("snapshots")
        .where("sandbox_id", "=", sandbox.id)
        .where("id", ">", target.id)
        .returning(["layer_id", "memory_id"])
        .execute()
      const written = await removeWritable(transaction, sandbox.id)
      await insertHead(transaction, sandbox, head, target.layer_id)
      const paused = await transaction
        .selectFrom("sandboxes")
        .select("paused_memory_id as memory_id")
        .where("id", "=", sandbox.id)
        .execute()
      await transaction
        .updateTable("sandboxes")
        .set({ machine_id: machineId, paused_memory_id: null, degraded: null })
        .where("id", "=", sandbox.id)
        .execute()
      return { ...(await collectAll(transaction, later, written, paused)), kept }
    })
  }

  async #update(sandboxId: number, columns: Partial<SandboxRow>): Promise<void> {
    await this.#database.updateTable("sandboxes").set(columns).where("id", "=", sandboxId).execute()
  }
}
