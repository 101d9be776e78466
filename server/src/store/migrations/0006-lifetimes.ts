import { sql, type Kysely } from "kysely"

/** Sandboxes are destroyed by themselves, where that is wanted: in Unix milliseconds. Those from before live on. */
export async function up(database: Kysely<unknown>): Promise<void> {
  await sql`alter table sandboxes add column expires_at integer`.execute(database)
}
