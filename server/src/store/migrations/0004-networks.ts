import { sql, type Kysely } from "kysely"

/** Sandboxes may have a network: JSON, as the API has it. Those from before have none. */
export async function up(database: Kysely<unknown>): Promise<void> {
  await sql`alter table sandboxes add column network text not null default '"none"'`.execute(database)
}
