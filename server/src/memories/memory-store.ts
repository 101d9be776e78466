import { sql } from "kysely"
import { checkpoint, type Database } from "../store/database.js"
import type { MemoryRow } from "../store/tables.js"
import { collectMemories } from "./memory-rows.js"

/** How many memories a machine is put together from at most; what follows the last one holds all that differs from the template. */
const mostDepth = 8

/** What the database knows of memories by themselves. Each method is one transaction. */
export class MemoryStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /**
   * Records a memory that is about to be written, so that what it rests on stays meanwhile.
   *
   * @param near The memory that it differs least from, if one is known.
   * @returns the one that it should rest on: `near`, unless that is gone, damaged, or rests on as many as may be.
   */
  begin(id: string, template: string, near: string | undefined): Promise<string | undefined> {
    return this.#database.transaction().execute(async (transaction) => {
      const chain = near === undefined ? [] : await chainOf(transaction, near)
      const parent = chain.at(-1)
      const sound = chain.every(({ damage, state }) => damage === null && state !== "writing")
      const base = sound && chain.length < mostDepth && parent?.template === template ? parent : undefined
      await transaction
        .insertInto("memories")
        .values({
          id,
          parent_id: base?.id ?? null,
          template,
          depth: (base?.depth ?? 0) + 1,
          state: "writing",
          created_at: Date.now(),
        })
        .execute()
      return base?.id
    })
  }

  /** Forgets a memory that was not written after all. @returns what nothing needs any more, itself included. */
  abandon(id: string): Promise<string[]> {
    return this.#database.transaction().execute((transaction) => forgetWriting(transaction, id))
  }

  /** Forgets the memories that an earlier server was writing, and all that nothing needs. @returns those that are gone. */
  collect(): Promise<string[]> {
    return this.#database.transaction().execute(async (transaction) => {
      const unfinished = await forgetWriting(transaction)
      const left = await transaction.selectFrom("memories").select("id").execute()
      const unneeded = await collectMemories(
        transaction,
        left.map((row) => row.id),
      )
      return [...unfinished, ...unneeded]
    })
  }

  /** The memories that a machine is put together from, from the one that rests on the template to `top`. */
  chain(top: string): Promise<MemoryRow[]> {
    return chainOf(this.#database, top)
  }

  find(id: string): Promise<MemoryRow | undefined> {
    return this.#database.selectFrom("memories").selectAll().where("id", "=", id).executeTakeFirst()
  }

  all(): Promise<MemoryRow[]> {
    return this.#database.selectFrom("memories").selectAll().execute()
  }

  /** The keys of the templates that memories rest on. */
  async templates(): Promise<Set<string>> {
    const rows = await this.#database.selectFrom("memories").select("template").distinct().execute()
    return new Set(rows.map((row) => row.template))
  }

  /** A memory's file has been compressed. @param bytes What it takes on the disk now. */
  async setCompressed(id: string, bytes: number): Promise<void> {
    await this.#database
      .updateTable("memories")
      .set({ state: "compressed", bytes })
      .where("id", "=", id)
      .where("state", "=", "written")
      .execute()
  }

  /** Records what is wrong with a memory's file; null when it is sound after all. */
  async setDamage(id: string, damage: string | null): Promise<void> {
    await this.#database.updateTable("memories").set({ damage }).where("id", "=", id).execute()
  }

  /** How many memories there are, what they take on the disk, and how many are damaged. */
  totals(): Promise<{ memories: number; bytes: number; damaged: number }> {
    return this.#database
      .selectFrom("memories")
      .select((select) => [
        select.fn.countAll<number>().as("memories"),
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

/** @param id All that are being written when left out. */
async function forgetWriting(database: Database, id?: string): Promise<string[]> {
  let writing = database.deleteFrom("memories").where("state", "=", "writing")
  if (id !== undefined) writing = writing.where("id", "=", id)
  const forgotten = await writing.returning(["id", "parent_id"]).execute()
  const unneeded = await collectMemories(
    database,
    forgotten.map((row) => row.parent_id),
  )
  return [...forgotten.map((row) => row.id), ...unneeded]
}

async function chainOf(database: Database, top: string): Promise<MemoryRow[]> {
  const { rows } = await sql<MemoryRow>`
    with recursive chain(id) as (
      values (${top})
      union all
      select memories.parent_id from memories join chain on memories.id = chain.id where memories.parent_id is not null
    )
    select memories.* from memories join chain on memories.id = chain.id order by depth
  `.execute(database)
  return rows
}
