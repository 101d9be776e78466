import { join } from "node:path"
import BetterSqlite3 from "better-sqlite3"
import { makePrivateFile } from "./data-directory.js"

/**
 * The right to be the one server of a data directory. It is an exclusive transaction on a database of its own, so the
 * operating system gives it back however the process ends.
 */
export class DataDirectoryLock {
  readonly #sqlite: BetterSqlite3.Database

  private constructor(sqlite: BetterSqlite3.Database) {
    this.#sqlite = sqlite
  }

  /** @throws when another server has the data directory. */
  static acquire(dataDirectory: string): DataDirectoryLock {
    const path = join(dataDirectory, "lock.db")
    makePrivateFile(path)
    const sqlite = new BetterSqlite3(path, { timeout: 0 })
    try {
      sqlite.exec("BEGIN EXCLUSIVE")
      return new DataDirectoryLock(sqlite)
    } catch (error) {
      sqlite.close()
      if (!isBusy(error)) throw error
      throw new Error(
        `Another OpenSandbox server is using ${dataDirectory}. Stop it, or choose another directory with --data-dir.`,
        { cause: error },
      )
    }
  }

  release(): void {
    this.#sqlite.close()
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof BetterSqlite3.SqliteError && error.code === "SQLITE_BUSY"
}
