import { sql, type Kysely } from "kysely"

/**
 * Sandboxes have sizes of their own. Those from before have what all had: a processor, 512 MiB, and the disk of their image,
 * which null stands for.
 */
export async function up(database: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await statement.execute(database)
}

const statements = [
  sql`alter table sandboxes add column cpus integer not null default 1`,
  sql`alter table sandboxes add column memory_mb integer not null default 512`,
  sql`alter table sandboxes add column disk_bytes integer`,
]
