import { readdir } from "node:fs/promises"
import { join } from "node:path"

/** The names of the files in a data directory's directory of memories. */
export function memoryFiles(dataDirectory: string): Promise<string[]> {
  return namesIn(join(dataDirectory, "memories"))
}

/** The templates that a data directory keeps for its memories. */
export function templateDirectories(dataDirectory: string): Promise<string[]> {
  return namesIn(join(dataDirectory, "templates"))
}

async function namesIn(directory: string): Promise<string[]> {
  return (await readdir(directory)).sort()
}
