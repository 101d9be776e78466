import { closeSync, openSync } from "node:fs"
import { mkdir } from "node:fs/promises"
import { join } from "node:path"

/** Makes the data directory if it is missing, for its owner's eyes only. */
export async function makeDataDirectory(dataDirectory: string): Promise<void> {
  await mkdir(dataDirectory, { recursive: true, mode: 0o700 })
}

/**
 * Makes a file if it is missing, for its owner's eyes only, even where the directory was there before and is open to
 * others. SQLite gives the files that it keeps beside a database the same mode.
 */
export function makePrivateFile(path: string): void {
  closeSync(openSync(path, "a", 0o600))
}

/** Where the server's facts are kept. */
export function databasePath(dataDirectory: string): string {
  return join(dataDirectory, "opensandbox.db")
}
