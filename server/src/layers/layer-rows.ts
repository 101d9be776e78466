import { sql } from "kysely"
import type { Database } from "../store/database.js"
import type { LayerRow } from "../store/tables.js"

// Steps on the table of layers, for transactions that keep sandboxes and snapshots in step with it.

/** What of a layer is known when it is recorded. */
type NewLayer = Pick<LayerRow, "id" | "parent_id" | "image_key" | "state" | "sandbox_id"> & Partial<LayerRow>

export async function insertLayer(database: Database, layer: NewLayer): Promise<void> {
  await database
    .insertInto("layers")
    .values({
      ...layer,
      number: sql`coalesce((select number from layers where id = ${layer.parent_id}), 0) + 1`,
      created_at: Date.now(),
    })
    .execute()
}

/**
 * The machine writes to `head` from now on, and what was its head is sealed. One statement: at no instant has the
 * sandbox two heads, or none.
 *
 * @param bytes What the sealed layer takes on the disk; null when that is not known yet.
 */
export async function advanceHead(
  database: Database,
  sealed: string,
  head: string,
  bytes: number | null,
): Promise<void> {
  await database
    .updateTable("layers")
    .set({
      state: sql`case id when ${sealed} then 'sealed' else 'head' end`,
      sandbox_id: sql`case id when ${sealed} then null else sandbox_id end`,
      bytes: sql`case id when ${sealed} then ${bytes} else null end`,
    })
    .where("id", "in", [sealed, head])
    .execute()
}

/** Forgets the layers that a sandbox's machine writes to, or soon would. */
export function removeWritable(database: Database, sandboxId: number): Promise<LayerRow[]> {
  return database.deleteFrom("layers").where("sandbox_id", "=", sandboxId).returningAll().execute()
}

/** What became of layers when something that needed them went. */
export interface Unneeded {
  /** The layers that nothing needs any more: forgotten already, and their files may be removed. */
  readonly gone: readonly string[]
  /** Those that something still rests on or names. */
  readonly left: readonly string[]
}

/**
 * Forgets those of the layers that no snapshot names and no layer rests on, then what nothing else rested on, and so on
 * down.
 */
export async function collectUnneeded(
  database: Database,
  candidates: Iterable<string | null>,
): Promise<Unneeded> {
  const gone: string[] = []
  const left: string[] = []
  let round = distinct(candidates)
  while (round.length > 0) {
    const { rows } = await sql<{ id: string; parent_id: string | null }>`
      delete from layers where id in (select value from json_each(${JSON.stringify(round)})) and state = 'sealed'
        and not exists (select 1 from snapshots where snapshots.layer_id = layers.id)
        and not exists (select 1 from layers as above where above.parent_id = layers.id)
      returning id, parent_id
    `.execute(database)
    const deleted = new Set(rows.map((row) => row.id))
    gone.push(...deleted)
    left.push(...round.filter((id) => !deleted.has(id)))
    round = distinct(rows.map((row) => row.parent_id))
  }
  const forgotten = new Set(gone)
  return { gone, left: distinct(left).filter((id) => !forgotten.has(id)) }
}

function distinct(ids: Iterable<string | null>): string[] {
  return [...new Set(ids)].filter((id) => id !== null)
}
