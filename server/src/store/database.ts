import BetterSqlite3 from "better-sqlite3"
import { Kysely, Migrator, SqliteDialect } from "kysely"
import { makePrivateFile } from "./data-directory.js"
import { migrations } from "./migrations/index.js"
import type { Tables } from "./tables.js"

/** The one database of a data directory. */
export type Database = Kysely<Tables>

/** How long a statement waits for another process (the CLI's `keys`) to finish writing. */
const busyTimeoutMs = 5_000

/**
 * Opens the SQLite database at `path`, makes it if it is missing, and brings its schema up to date.
 *
 * @throws when the file is no database, or was written by a newer version.
 */
export async function openDatabase(path: string): Promise<Database> {
  makePrivateFile(path)
  const sqlite = new BetterSqlite3(path, { timeout: busyTimeoutMs })
  const database = new Kysely<Tables>({ dialect: new SqliteDialect({ database: sqlite }) })
  try {
    sqlite.pragma("journal_mode = WAL")
    // A killed process loses nothing; only a power cut may lose the last commits, never the database's consistency.
    sqlite.pragma("synchronous = NORMAL")
    sqlite.pragma("foreign_keys = ON")
    // As one transaction: a process killed on the way leaves nothing half made, and two take turns.
    sqlite.exec("BEGIN IMMEDIATE")
    await migrate(database)
    sqlite.exec("COMMIT")
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
