import { sql, type Kysely } from "kysely"

/** Ports of sandboxes that everybody may reach. They are forgotten with their sandbox. */
export async function up(database: Kysely<unknown>): Promise<void> {
  await sql`create table public_ports (
    sandbox_id integer not null references sandboxes (id) on delete cascade,
    port integer not null,
    primary key (sandbox_id, port)
  ) strict`.execute(database)
}
