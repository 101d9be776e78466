import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import BetterSqlite3 from "better-sqlite3"
import { Kysely, sql, SqliteDialect } from "kysely"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { openDatabase } from "./database.js"
import { up as sandboxesAndKeys } from "./migrations/0001-sandboxes-and-keys.js"

describe("openDatabase", () => {
  let directory: string
  let path: string

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "opensandbox-store-"))
    path = join(directory, "opensandbox.db")
  })
  afterEach(() => rm(directory, { recursive: true }))

  it("brings a new database to the committed schema", async () => {
    const database = await openDatabase(path)
    const { rows } = await sql<{ sql: string }>`select sql from sqlite_schema
      where sql is not null and name not like 'kysely_%' and name not like 'sqlite_%' order by rowid`.execute(
      database,
    )
    await database.destroy()

    const schema = rows.map((row) => `${row.sql.replace(/^ {2}/gm, "")};\n`).join("\n")
    await expect(schema).toMatchFileSnapshot("schema.sql")
  })

  it("keeps what was written when it is opened again", async () => {
    const first = await openDatabase(path)
    await first.insertInto("sandboxes").values(sandbox).execute()
    await first.destroy()

    const second = await openDatabase(path)
    const row = await second.selectFrom("sandboxes").selectAll().executeTakeFirstOrThrow()
    await second.destroy()

    expect(row).toMatchObject(sandbox)
  })

  it("writes ahead, checks references and survives a killed process", async () => {
    const database = await openDatabase(path)
    const settings = await sql<Record<string, unknown>>`select
      (select journal_mode from pragma_journal_mode) as journal,
      (select foreign_keys from pragma_foreign_keys) as keys,
      (select synchronous from pragma_synchronous) as sync,
      (select timeout from pragma_busy_timeout) as timeout`.execute(database)
    await database.destroy()

    expect(settings.rows).toEqual([{ journal: "wal", keys: 1, sync: 1, timeout: 5_000 }])
  })

  it("refuses a snapshot of a layer that does not exist", async () => {
    const database = await openDatabase(path)
    const { id } = await database
      .insertInto("sandboxes")
      .values(sandbox)
      .returning("id")
      .executeTakeFirstOrThrow()
    const snapshot = { sandbox_id: id, name: "cmd_1", layer_id: "missing", created_at: 1 }

    await expect(database.insertInto("snapshots").values(snapshot).execute()).rejects.toThrow("FOREIGN KEY")
    await database.destroy()
  })

  it("brings a database of the first release up to date, with all that is in it", async () => {
    const sqlite = new BetterSqlite3(path)
    const first = new Kysely<unknown>({ dialect: new SqliteDialect({ database: sqlite }) })
    await sandboxesAndKeys(first)
    sqlite.exec(`
      create table kysely_migration (name varchar(255) not null primary key, timestamp varchar(255) not null);
      create table kysely_migration_lock (id varchar(255) not null primary key, is_locked integer default 0 not null);
      insert into kysely_migration values ('0001-sandboxes-and-keys', '2026-01-01T00:00:00.000Z');
      insert into kysely_migration_lock values ('migration_lock', 0);
      insert into sandboxes (id, owner_id, name, image_key, created_at) values (1, 0, 'box', 'i', 1);
      insert into layers values ('l1', 1, null, 1, 'sealed', 1), ('l2', 1, 'l1', 2, 'head', 2), ('l3', 1, 'l2', 3, 'next', 3);
      insert into snapshots values (1, 1, 'initial', null, null, null, 1), (2, 1, 'cmd_2', 'l1', 'true', 0, 2);
    `)
    await first.destroy()

    const database = await openDatabase(path)
    const layers = await database.selectFrom("layers").selectAll().orderBy("id").execute()
    const snapshots = await database.selectFrom("snapshots").selectAll().orderBy("id").execute()
    const sandboxes = await database.selectFrom("sandboxes").selectAll().execute()
    await database.destroy()

    expect(layers).toMatchObject([
      {
        id: "l1",
        parent_id: null,
        state: "sealed",
        sandbox_id: null,
        image_key: "i",
        bytes: null,
        number: 1,
      },
      { id: "l2", parent_id: "l1", state: "head", sandbox_id: 1, image_key: "i" },
      { id: "l3", parent_id: "l2", state: "next", sandbox_id: 1, image_key: "i" },
    ])
    expect(snapshots).toMatchObject([
      { name: "initial", layer_id: null, label: null, bytes: 0 },
      { name: "cmd_2", layer_id: "l1", exit_code: 0, duration_ms: null },
    ])
    expect(sandboxes).toMatchObject([{ name: "box", retention: "{}", network: '"none"' }])
  })

  it("survives a loss of power where that is asked for", async () => {
    const database = await openDatabase(path, "disk")
    const { rows } = await sql<{ synchronous: number }>`pragma synchronous`.execute(database)
    await database.destroy()

    expect(rows).toEqual([{ synchronous: 2 }])
  })

  it("says which file it could not open", async () => {
    await writeFile(path, "this is no database, whatever its name says\n".repeat(50))

    await expect(openDatabase(path)).rejects.toThrow(path)
  })
})

const sandbox = { owner_id: 0, name: "box", image_key: "i", created_at: 1 } as const
