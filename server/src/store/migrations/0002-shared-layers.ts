import { sql, type Kysely } from "kysely"

/**
 * Layers are shared between sandboxes: only one that a machine writes to belongs to a sandbox. Layers and snapshots are
 * known by more, and sandboxes have limits. Must run with foreign keys off, as the table of layers is made anew.
 */
export async function up(database: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await statement.execute(database)
}

const statements = [
  sql`create table new_layers (
    id text primary key not null,
    parent_id text references layers (id),
    image_key text not null,
    number integer not null,
    state text not null check (state in ('sealed', 'head', 'next')),
    sandbox_id integer references sandboxes (id),
    bytes integer,
    length integer,
    modified_us integer,
    checksum text,
    damage text,
    created_at integer not null,
    check ((state = 'sealed') = (sandbox_id is null))
  ) strict`,
  sql`insert into new_layers (id, parent_id, image_key, number, state, sandbox_id, created_at)
    select layers.id, parent_id, image_key, number, state,
      case state when 'sealed' then null else sandbox_id end, layers.created_at
    from layers join sandboxes on sandboxes.id = sandbox_id`,
  sql`drop table layers`,
  sql`alter table new_layers rename to layers`,
  sql`create index layers_by_sandbox on layers (sandbox_id)`,
  sql`create index layers_by_parent on layers (parent_id)`,
  sql`create index layers_damaged on layers (id) where damage is not null`,

  sql`alter table snapshots add column label text`,
  sql`alter table snapshots add column bytes integer not null default 0`,
  sql`alter table snapshots add column duration_ms integer`,
  sql`create unique index snapshots_by_label on snapshots (sandbox_id, label)`,

  // A JSON object with the limits that are the sandbox's own; null ones are none, those left out the server's.
  sql`alter table sandboxes add column retention text not null default '{}'`,
]
