import { sql, type Kysely } from "kysely"

/** Sandboxes are paused when nobody uses them, where that is wanted. Those from before do as the server says. */
export async function up(database: Kysely<unknown>): Promise<void> {
  await sql`alter table sandboxes add column idle_timeout integer`.execute(database)
  await sql`alter table sandboxes add column degraded text`.execute(database)
}
