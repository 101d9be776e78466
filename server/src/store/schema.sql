CREATE TABLE keys (
  id integer primary key autoincrement,
  name text not null,
  role text not null check (role in ('admin', 'user')),
  hash blob not null unique,
  prefix text not null,
  created_at integer not null,
  revoked_at integer
) strict;

CREATE TABLE ssh_keys (
  id integer primary key autoincrement,
  key_id integer not null references keys (id),
  fingerprint text not null unique,
  public_key text not null,
  comment text not null,
  created_at integer not null
) strict;

CREATE INDEX ssh_keys_by_key on ssh_keys (key_id);

CREATE TABLE sandboxes (
  id integer primary key autoincrement,
  owner_id integer not null,
  name text not null unique,
  image_key text not null,
  machine_id text,
  agent_port integer,
  ssh_port integer,
  created_at integer not null
, retention text not null default '{}', network text not null default '"none"', snapshot_kind text not null default 'disk' check (snapshot_kind in ('disk', 'machine')), paused_memory_id text references memories (id), expires_at integer, cpus integer not null default 1, memory_mb integer not null default 512, disk_bytes integer, idle_timeout integer, degraded text) strict;

CREATE INDEX sandboxes_by_owner on sandboxes (owner_id);

CREATE TABLE snapshots (
  id integer primary key autoincrement,
  sandbox_id integer not null references sandboxes (id),
  name text not null,
  layer_id text references layers (id),
  command text,
  exit_code integer,
  created_at integer not null, label text, bytes integer not null default 0, duration_ms integer, memory_id text references memories (id),
  unique (sandbox_id, name)
) strict;

CREATE INDEX snapshots_by_layer on snapshots (layer_id);

CREATE TABLE "layers" (
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
) strict;

CREATE INDEX layers_by_sandbox on layers (sandbox_id);

CREATE INDEX layers_by_parent on layers (parent_id);

CREATE INDEX layers_damaged on layers (id) where damage is not null;

CREATE UNIQUE INDEX snapshots_by_label on snapshots (sandbox_id, label);

CREATE TABLE public_ports (
  sandbox_id integer not null references sandboxes (id) on delete cascade,
  port integer not null,
  primary key (sandbox_id, port)
) strict;

CREATE TABLE memories (
  id text primary key not null,
  parent_id text references memories (id),
  template text not null,
  depth integer not null,
  state text not null check (state in ('writing', 'written', 'compressed')),
  bytes integer not null default 0,
  pages integer not null default 0,
  damage text,
  created_at integer not null
) strict;

CREATE INDEX memories_by_parent on memories (parent_id);

CREATE INDEX snapshots_by_memory on snapshots (memory_id);

CREATE INDEX sandboxes_by_paused_memory on sandboxes (paused_memory_id);
