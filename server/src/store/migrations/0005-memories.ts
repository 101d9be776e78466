import { sql, type Kysely } from "kysely"

/**
 * Snapshots may hold the whole machine: they name a memory too, which like layers may be shared and rests on others. A
 * sandbox says which kind it takes after each command, and a paused one names the memory that it goes on with.
 */
export async function up(database: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await statement.execute(database)
}

const statements = [
  sql`create table memories (
    id text primary key not null,
    parent_id text references memories (id),
    template text not null,
    depth integer not null,
    state text not null check (state in ('writing', 'written', 'compressed')),
    bytes integer not null default 0,
    pages integer not null default 0,
    damage text,
    created_at integer not null
  ) strict`,
  sql`create index memories_by_parent on memories (parent_id)`,

  sql`alter table snapshots add column memory_id text references memories (id)`,
  sql`create index snapshots_by_memory on snapshots (memory_id)`,

  sql`alter table sandboxes add column snapshot_kind text not null default 'disk' check (snapshot_kind in ('disk', 'machine'))`,
  sql`alter table sandboxes add column paused_memory_id text references memories (id)`,
  sql`create index sandboxes_by_paused_memory on sandboxes (paused_memory_id)`,
]
