import { sql } from "kysely"
import type { Database } from "../store/database.js"

// Steps on the table of memories, for transactions that keep sandboxes and snapshots in step with it.

/** A memory whose file is whole, as it is recorded. */
export interface WrittenMemory {
  readonly id: string
  /** What its file takes on the disk. */
  readonly bytes: number
  /** How many pages are in it. */
  readonly pages: number
}

/** A memory whose file is whole is about to be named. */
export async function finishMemory(database: Database, { id, bytes, pages }: WrittenMemory): Promise<void> {
  const { numUpdatedRows } = await database
    .updateTable("memories")
    .set({ state: "written", bytes, pages })
    .where("id", "=", id)
    .where("state", "=", "writing")
    .executeTakeFirstOrThrow()
  if (numUpdatedRows !== 1n) throw new Error(`memory ${id} is not being written`)
}

/**
 * Forgets those of the memories that no snapshot and no paused sandbox names and no memory rests on, then what nothing
 * else rested on, and so on down.
 *
 * @returns those that are gone: their files may be removed.
 */
export async function collectMemories(
  database: Database,
  candidates: Iterable<string | null>,
): Promise<string[]> {
  const gone: string[] = []
  let round = distinct(candidates)
  while (round.length > 0) {
    const { rows } = await sql<{ id: string; parent_id: string | null }>`
      delete from memories where id in (select value from json_each(${JSON.stringify(round)})) and state <> 'writing'
        and not exists (select 1 from snapshots where snapshots.memory_id = memories.id)
        and not exists (select 1 from sandboxes where sandboxes.paused_memory_id = memories.id)
        and not exists (select 1 from memories as above where above.parent_id = memories.id)
      returning id, parent_id
    `.execute(database)
    gone.push(...rows.map((row) => row.id))
    round = distinct(rows.map((row) => row.parent_id))
  }
  return gone
}

function distinct(ids: Iterable<string | null>): string[] {
  return [...new Set(ids)].filter((id) => id !== null)
}
