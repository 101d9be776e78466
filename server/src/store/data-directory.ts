import { mkdir } from "node:fs/promises"
import { join } from "node:path"

/** Makes the data directory if it is missing, for its owner's eyes only. */
export async function makeDataDirectory(dataDirectory: string): Promise<void> {
  await mkdir(dataDirectory, { recursive: true, mode: 0o700 })
}

/** Where the server's facts are kept. */
export function databasePath(dataDirectory: string): string {
  return join(dataDirectory, "opensandbox.db")
}
