import { sql, type Kysely } from "kysely"

/** Keys, sandboxes, layers and snapshots. */
export async function up(database: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await statement.execute(database)
}

const statements = [
  sql`create table keys (
    id integer primary key autoincrement,
    name text not null,
    role text not null check (role in ('admin', 'user')),
    hash blob not null unique,
    prefix text not null,
    created_at integer not null,
    revoked_at integer
  ) strict`,

  sql`create table ssh_keys (
    id integer primary key autoincrement,
    key_id integer not null references keys (id),
    fingerprint text not null unique,
    public_key text not null,
    comment text not null,
    created_at integer not null
  ) strict`,
  sql`create index ssh_keys_by_key on ssh_keys (key_id)`,

  // owner_id is no reference: 0 stands for the admin keys together.
  sql`create table sandboxes (
    id integer primary key autoincrement,
    owner_id integer not null,
    name text not null unique,
    image_key text not null,
    machine_id text,
    agent_port integer,
    ssh_port integer,
    created_at integer not null
  ) strict`,
  sql`create index sandboxes_by_owner on sandboxes (owner_id)`,

  sql`create table layers (
    id text primary key not null,
    sandbox_id integer not null references sandboxes (id),
    parent_id text references layers (id),
    number integer not null,
    state text not null check (state in ('sealed', 'head', 'next')),
    created_at integer not null
  ) strict`,
  sql`create index layers_by_sandbox on layers (sandbox_id)`,
  sql`create index layers_by_parent on layers (parent_id)`,

  sql`create table snapshots (
    id integer primary key autoincrement,
    sandbox_id integer not null references sandboxes (id),
    name text not null,
    layer_id text references layers (id),
    command text,
    exit_code integer,
    created_at integer not null,
    unique (sandbox_id, name)
  ) strict`,
  sql`create index snapshots_by_layer on snapshots (layer_id)`,
]
