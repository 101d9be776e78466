import { sql } from "kysely"
import type { Database } from "../store/database.js"
import type { LayerRow, SandboxRow, SnapshotRow } from "../store/tables.js"

/** A snapshot as it is recorded when a command has ended. */
export interface NewSnapshot {
  readonly name: string
  readonly command: string | null
  readonly exitCode: number | null
  /** Unix milliseconds. */
  readonly createdAt: number
}

/** The name of the snapshot that every sandbox begins with. */
const initialSnapshot = "initial"

/**
 * What the database knows of sandboxes, layers and snapshots. Each method is one transaction that takes the state from
 * one valid one to the next: what is half made is in no table, so a crash leaves nothing here to mend.
 */
export class SandboxStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  sandboxes(): Promise<SandboxRow[]> {
    return this.#database.selectFrom("sandboxes").selectAll().orderBy("id").execute()
  }

  /** Records a sandbox whose machine is ready, with its first snapshot: the image's blank disk. */
  create(sandbox: {
    ownerId: number
    name: string
    imageKey: string
    machineId: string
    head: string
    createdAt: number
  }): Promise<SandboxRow> {
    return this.#database.transaction().execute(async (transaction) => {
      const row = await transaction
        .insertInto("sandboxes")
        .values({
          owner_id: sandbox.ownerId,
          name: sandbox.name,
          image_key: sandbox.imageKey,
          machine_id: sandbox.machineId,
          agent_port: null,
          ssh_port: null,
          created_at: sandbox.createdAt,
        })
        .returningAll()
        .executeTakeFirstOrThrow()
      await insertLayer(transaction, row.id, sandbox.head, null, "head")
      await insertSnapshot(transaction, row.id, null, {
        name: initialSnapshot,
        command: null,
        exitCode: null,
        createdAt: sandbox.createdAt,
      })
      return row
    })
  }

  /** Forgets a sandbox with its snapshots and layers. */
  async destroy(sandboxId: number): Promise<void> {
    await this.#database.transaction().execute(async (transaction) => {
      await transaction.deleteFrom("snapshots").where("sandbox_id", "=", sandboxId).execute()
      await transaction.deleteFrom("layers").where("sandbox_id", "=", sandboxId).execute()
      await transaction.deleteFrom("sandboxes").where("id", "=", sandboxId).execute()
    })
  }

  async setMachine(sandboxId: number, machineId: string | null): Promise<void> {
    await this.#database
      .updateTable("sandboxes")
      .set({ machine_id: machineId })
      .where("id", "=", sandboxId)
      .execute()
  }

  async setPorts(sandboxId: number, ports: { agentPort: number; sshPort: number }): Promise<void> {
    await this.#database
      .updateTable("sandboxes")
      .set({ agent_port: ports.agentPort, ssh_port: ports.sshPort })
      .where("id", "=", sandboxId)
      .execute()
  }

  /** All layers of a sandbox. */
  layers(sandboxId: number): Promise<LayerRow[]> {
    return this.#database.selectFrom("layers").selectAll().where("sandbox_id", "=", sandboxId).execute()
  }

  /** A layer's number; 0 when it is gone. */
  async layerNumber(layer: string): Promise<number> {
    const row = await this.#database
      .selectFrom("layers")
      .select("number")
      .where("id", "=", layer)
      .executeTakeFirst()
    return row?.number ?? 0
  }

  /** The names of all layers of all sandboxes. */
  async allLayers(): Promise<Set<string>> {
    const rows = await this.#database.selectFrom("layers").select("id").execute()
    return new Set(rows.map((row) => row.id))
  }

  /** Records the layer that is about to be made ahead of time, on top of the head. */
  async addNext(sandboxId: number, layer: string, head: string): Promise<void> {
    await insertLayer(this.#database, sandboxId, layer, head, "next")
  }

  async removeLayer(layer: string): Promise<void> {
    await this.#database.deleteFrom("layers").where("id", "=", layer).execute()
  }

  /** The machine writes to the layer that was made ahead of time: what was the head is sealed. */
  advanceHead(sealed: string, head: string): Promise<void> {
    return advance(this.#database, sealed, head)
  }

  /** Records a snapshot: the sealed layer, and the new head on top of it. Once this returns, the snapshot exists. */
  async addSnapshot(sandboxId: number, sealed: string, head: string, snapshot: NewSnapshot): Promise<void> {
    await this.#database.transaction().execute(async (transaction) => {
      await advance(transaction, sealed, head)
      await insertSnapshot(transaction, sandboxId, sealed, snapshot)
    })
  }

  /** Records a snapshot of a disk that has not changed since a layer was sealed: another name for that layer. */
  nameLayer(sandboxId: number, layer: string | null, snapshot: NewSnapshot): Promise<void> {
    return insertSnapshot(this.#database, sandboxId, layer, snapshot)
  }

  /** A layer has taken in those between it and its new parent. */
  async setParent(layer: string, parent: string | null): Promise<void> {
    await this.#database.updateTable("layers").set({ parent_id: parent }).where("id", "=", layer).execute()
  }

  /** By creation time; the sandbox's, or all of an owner's. */
  async snapshots(
    of: { sandboxId: number } | { ownerId: number },
  ): Promise<(SnapshotRow & { vm_name: string })[]> {
    const rows = this.#database
      .selectFrom("snapshots")
      .innerJoin("sandboxes", "sandboxes.id", "snapshots.sandbox_id")
      .selectAll("snapshots")
      .select("sandboxes.name as vm_name")
      .orderBy("snapshots.created_at")
      .orderBy("snapshots.id")
    return "sandboxId" in of
      ? rows.where("sandboxes.id", "=", of.sandboxId).execute()
      : rows.where("sandboxes.owner_id", "=", of.ownerId).execute()
  }

  snapshot(sandboxId: number, name: string): Promise<SnapshotRow | undefined> {
    return this.#database
      .selectFrom("snapshots")
      .selectAll()
      .where("sandbox_id", "=", sandboxId)
      .where("name", "=", name)
      .executeTakeFirst()
  }

  /** When the newest snapshot of a sandbox was taken, in Unix milliseconds. */
  async newestSnapshotAt(sandboxId: number): Promise<number> {
    const row = await this.#database
      .selectFrom("snapshots")
      .select((select) => select.fn.max("created_at").as("newest"))
      .where("sandbox_id", "=", sandboxId)
      .executeTakeFirst()
    return row?.newest ?? 0
  }

  /**
   * Goes back to a snapshot: deletes the snapshots after it, and takes a new head and machine.
   *
   * @returns the layers that nothing needs any more.
   */
  restore(sandboxId: number, target: SnapshotRow, head: string, machineId: string): Promise<string[]> {
    return this.#database.transaction().execute(async (transaction) => {
      await transaction
        .deleteFrom("snapshots")
        .where("sandbox_id", "=", sandboxId)
        .where("id", ">", target.id)
        .execute()
      await insertLayer(transaction, sandboxId, head, target.layer_id, "head")
      await transaction
        .updateTable("sandboxes")
        .set({ machine_id: machineId })
        .where("id", "=", sandboxId)
        .execute()
      return removeUnneededLayers(transaction, sandboxId, head)
    })
  }
}

async function insertLayer(
  database: Database,
  sandboxId: number,
  layer: string,
  parent: string | null,
  state: LayerRow["state"],
): Promise<void> {
  await database
    .insertInto("layers")
    .values({
      id: layer,
      sandbox_id: sandboxId,
      parent_id: parent,
      number: sql`coalesce((select number from layers where id = ${parent}), 0) + 1`,
      state,
      created_at: Date.now(),
    })
    .execute()
}

async function insertSnapshot(
  database: Database,
  sandboxId: number,
  layer: string | null,
  snapshot: NewSnapshot,
): Promise<void> {
  await database
    .insertInto("snapshots")
    .values({
      sandbox_id: sandboxId,
      name: snapshot.name,
      layer_id: layer,
      command: snapshot.command,
      exit_code: snapshot.exitCode,
      created_at: snapshot.createdAt,
    })
    .execute()
}

/** One statement: at no instant has the sandbox two heads, or none. */
async function advance(database: Database, sealed: string, head: string): Promise<void> {
  await database
    .updateTable("layers")
    .set({ state: sql`case id when ${sealed} then 'sealed' else 'head' end` })
    .where("id", "in", [sealed, head])
    .execute()
}

/** Deletes the layers of a sandbox that neither its head nor a snapshot rests on. */
async function removeUnneededLayers(database: Database, sandboxId: number, head: string): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    with recursive needed(id) as (
      select ${head}
      union
      select layer_id from snapshots where sandbox_id = ${sandboxId} and layer_id is not null
      union
      select layers.parent_id from layers join needed on layers.id = needed.id where layers.parent_id is not null
    )
    delete from layers where sandbox_id = ${sandboxId} and id not in (select id from needed) returning id
  `.execute(database)
  return rows.map((row) => row.id)
}
