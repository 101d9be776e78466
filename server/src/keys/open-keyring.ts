import type { Clock } from "../clock.js"
import { databasePath, makeDataDirectory } from "../store/data-directory.js"
import { openDatabase, type Database } from "../store/database.js"
import { KeyStore } from "../store/key-store.js"
import { Keyring } from "./keyring.js"

/** A keyring that has a connection of its own to the database. */
export class StandaloneKeyring extends Keyring {
  readonly #database: Database

  constructor(database: Database, now: Clock) {
    super(new KeyStore(database), now)
    this.#database = database
  }

  async close(): Promise<void> {
    await this.#database.destroy()
  }
}

/** Opens the keys of a data directory, whether or not its server runs; a running server sees changes at once. */
export async function openKeyring(dataDirectory: string): Promise<StandaloneKeyring> {
  await makeDataDirectory(dataDirectory)
  return new StandaloneKeyring(await openDatabase(databasePath(dataDirectory)), Date.now)
}
