import { closeSync, constants, openSync } from "node:fs"
import { access, mkdir } from "node:fs/promises"
import { join } from "node:path"

/**
 * Makes the data directory if it is missing, for its owner's eyes only.
 *
 * @throws Error that says what to do when it cannot be made or written to.
 */
export async function makeDataDirectory(dataDirectory: string): Promise<void> {
  try {
    await mkdir(dataDirectory, { recursive: true, mode: 0o700 })
    await access(dataDirectory, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    const { code = "unknown" } = error as NodeJS.ErrnoException
    throw new Error(
      `The data directory ${dataDirectory} cannot be made or used (${code}): choose another one.`,
      {
        cause: error,
      },
    )
  }
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
