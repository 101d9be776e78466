import BetterSqlite3 from "better-sqlite3"
import { Kysely, Migrator, SqliteDialect, sql } from "kysely"
import type { Durability } from "@opensandbox/vm"
import { makePrivateFile } from "./data-directory.js"
import { migrations } from "./migrations/index.js"
import type { Tables } from "./tables.js"

/** The one database of a data directory. */
export type Database = Kysely<Tables>

/** How long a statement waits for another process (the CLI's `keys`) to finish writing. */
const busyTimeoutMs = 5_000

/** What SQLite takes for no file at all: a database that is gone once it is closed. */
const inMemory = ":memory:"

/**
 * Opens the SQLite database at `path`, makes it if it is missing, and brings its schema up to date.
 *
 * @param durability `process`: a commit survives the death of any process, and a loss of power may take the last ones,
 *   never the database's consistency. `disk`: it survives both.
 * @throws when the file is no database, or was written by a newer version.
 */
export async function openDatabase(path: string, durability: Durability = "process"): Promise<Database> {
  if (path !== inMemory) makePrivateFile(path)
  const sqlite = new BetterSqlite3(path, { timeout: busyTimeoutMs })
  const database = new Kysely<Tables>({ dialect: new SqliteDialect({ database: sqlite }) })
  try {
    sqlite.pragma("journal_mode = WAL")
    sqlite.pragma(`synchronous = ${durability === "disk" ? "FULL" : "NORMAL"}`)
    // A step that makes a table anew needs them off; see https://www.sqlite.org/lang_altertable.html#otheralter
    sqlite.pragma("foreign_keys = OFF")
    // As one transaction: a process killed on the way leaves nothing half made, and two take turns.
    sqlite.exec("BEGIN IMMEDIATE")
    await migrate(database)
    const dangling = sqlite.pragma("foreign_key_check") as unknown[]
    if (dangling.length > 0) throw new Error("The database refers to rows that it does not have.")
    sqlite.exec("COMMIT")
    sqlite.pragma("foreign_keys = ON")
    return database
  } catch (error) {
    sqlite.close()
    throw new Error(`Cannot open the database ${path}.`, { cause: error })
  }
}

async function migrate(database: Database): Promise<void> {
  const provider = { getMigrations: () => Promise.resolve(migrations) }
  const { error } = await new Migrator({ db: database, provider }).migrateToLatest()
  if (error !== undefined) throw new Error("The database cannot be brought up to date.", { cause: error })
}

/** Makes all commits so far survive a loss of power, whatever the durability. */
export async function checkpoint(database: Database): Promise<void> {
  await sql`pragma wal_checkpoint(passive)`.execute(database)
}
