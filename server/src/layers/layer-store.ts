import type { Fingerprint } from "@opensandbox/vm"
import { sql } from "kysely"
import { checkpoint, type Database } from "../store/database.js"
import type { LayerRow } from "../store/tables.js"
import type { ChainLayer } from "./compaction-plan.js"
import { advanceHead, collectUnneeded, insertLayer, type Unneeded } from "./layer-rows.js"

/** What the database knows of layers by themselves. Each method is one transaction. */
export class LayerStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** The layers that a layer rests on, from the oldest to itself. None when it is gone, or null: the blank disk. */
  async chain(top: string | null): Promise<ChainLayer[]> {
    const { rows } = await sql<LayerRow & { needed: 0 | 1 }>`
      with recursive chain(id) as (
        select ${top} where ${top} is not null
        union all
        select layers.parent_id from layers join chain on layers.id = chain.id where layers.parent_id is not null
      )
      select layers.*,
        exists (select 1 from snapshots where snapshots.layer_id = layers.id)
          or (select count(*) from layers as above where above.parent_id = layers.id) > 1 as needed
      from layers join chain on layers.id = chain.id order by number
    `.execute(this.#database)
    return rows.map(({ needed, ...row }) => ({ ...row, needed: needed === 1 }))
  }

  /** A sandbox's head, then the layer that is ready to follow it, if there is one. */
  writable(sandboxId: number): Promise<LayerRow[]> {
    return this.#database
      .selectFrom("layers")
      .selectAll()
      .where("sandbox_id", "=", sandboxId)
      .orderBy("number")
      .execute()
  }

  find(layer: string): Promise<LayerRow | undefined> {
    return this.#database.selectFrom("layers").selectAll().where("id", "=", layer).executeTakeFirst()
  }

  all(): Promise<LayerRow[]> {
    return this.#database.selectFrom("layers").selectAll().execute()
  }

  /**
   * Records the layer that is about to be made ahead of time, on top of the head. There is only one: that of an earlier
   * attempt, which the disk was too full to forget, is forgotten.
   */
  async addNext(sandboxId: number, imageKey: string, layer: string, head: string): Promise<void> {
    const place = { parent_id: head, state: "next", sandbox_id: sandboxId, image_key: imageKey } as const
    await this.#database.transaction().execute(async (transaction) => {
      await transaction
        .deleteFrom("layers")
        .where("sandbox_id", "=", sandboxId)
        .where("state", "=", "next")
        .execute()
      await insertLayer(transaction, { id: layer, ...place })
    })
  }

  /** Forgets a layer that was made ahead of time. */
  async removeNext(layer: string): Promise<void> {
    await this.#database.deleteFrom("layers").where("id", "=", layer).where("state", "=", "next").execute()
  }

  /**
   * What was the head is sealed, named by no snapshot, and the next layer is the head.
   *
   * @param bytes What the sealed layer takes on the disk; null when that is not known yet.
   */
  advanceHead(sealed: string, head: string, bytes: number | null): Promise<void> {
    return advanceHead(this.#database, sealed, head, bytes)
  }

  /** The head of a sandbox that has no machine is sealed, and an empty layer is its head. */
  async sealHead(sandboxId: number, sealed: LayerRow, head: string, bytes: number): Promise<void> {
    await this.#database.transaction().execute(async (transaction) => {
      await transaction
        .updateTable("layers")
        .set({ state: "sealed", sandbox_id: null, bytes })
        .where("id", "=", sealed.id)
        .execute()
      const place = { parent_id: sealed.id, state: "head", sandbox_id: sandboxId } as const
      await insertLayer(transaction, { id: head, image_key: sealed.image_key, ...place })
    })
  }

  /** Records what a sealed layer's file can be known by again. */
  async setFingerprint(layer: string, fingerprint: Fingerprint): Promise<void> {
    await this.#database
      .updateTable("layers")
      .set(columnsOf(fingerprint))
      .where("id", "=", layer)
      .where("state", "=", "sealed")
      .execute()
  }

  /** A layer's file is about to be replaced: until the new one is recorded, the layer is known by neither. */
  async forgetFingerprint(layer: string): Promise<void> {
    await this.#database
      .updateTable("layers")
      .set({ length: null, modified_us: null, checksum: null })
      .where("id", "=", layer)
      .execute()
  }

  /** Records what is wrong with a layer's file; null when it is sound after all. */
  async setDamage(layer: string, damage: string | null): Promise<void> {
    await this.#database.updateTable("layers").set({ damage }).where("id", "=", layer).execute()
  }

  /**
   * A layer's new file is in place: it rests on another one now.
   *
   * @returns what became of what it rested on; undefined when the layer itself is gone.
   */
  rebase(layer: string, parent: string | null, fingerprint: Fingerprint): Promise<Unneeded | undefined> {
    return this.#database.transaction().execute(async (transaction) => {
      const before = await transaction
        .selectFrom("layers")
        .select("parent_id")
        .where("id", "=", layer)
        .executeTakeFirst()
      if (before === undefined) return undefined
      await transaction
        .updateTable("layers")
        .set({ parent_id: parent, ...columnsOf(fingerprint) })
        .where("id", "=", layer)
        .execute()
      return collectUnneeded(transaction, [before.parent_id])
    })
  }

  /**
   * The sealed layers that rest, alone, on one that no snapshot names: they could take it in.
   *
   * @param below Those to look at; all when left out.
   */
  async overUnneeded(below?: readonly string[]): Promise<string[]> {
    const among =
      below === undefined
        ? sql``
        : sql`and below.id in (select value from json_each(${JSON.stringify(below)}))`
    const { rows } = await sql<{ id: string }>`
      select min(above.id) as id from layers as below join layers as above on above.parent_id = below.id
      where not exists (select 1 from snapshots where snapshots.layer_id = below.id) ${among}
      group by below.id having count(*) = 1 and min(above.state) = 'sealed'
    `.execute(this.#database)
    return rows.map((row) => row.id)
  }

  /** How many layers there are, what the sealed ones take on the disk, and how many are damaged. */
  async totals(): Promise<{ layers: number; bytes: number; damaged: number }> {
    return this.#database
      .selectFrom("layers")
      .select((select) => [
        select.fn.countAll<number>().as("layers"),
        select.fn.coalesce(select.fn.sum<number>("bytes"), sql<number>`0`).as("bytes"),
        select.fn.count<number>("damage").as("damaged"),
      ])
      .executeTakeFirstOrThrow()
  }

  /** Makes all changes so far survive a loss of power: a file may go only once the record of it is gone for good. */
  makeDurable(): Promise<void> {
    return checkpoint(this.#database)
  }
}

function columnsOf({ bytes, length, modifiedUs, checksum }: Fingerprint) {
  return { bytes, length, modified_us: modifiedUs, checksum }
}
