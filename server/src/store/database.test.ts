import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { sql } from "kysely"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { openDatabase } from "./database.js"

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

  it("says which file it could not open", async () => {
    await writeFile(path, "this is no database, whatever its name says\n".repeat(50))

    await expect(openDatabase(path)).rejects.toThrow(path)
  })
})

const sandbox = { owner_id: 0, name: "box", image_key: "i", created_at: 1 } as const
