import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const results = fileURLToPath(new URL("../results/", import.meta.url))

/**
 * Writes a result into `bench/results/`.
 *
 * @param prefix Of the file's name, before the date.
 * @returns the file's path.
 */
export async function writeResult(prefix: string, date: Date, result: object): Promise<string> {
  await mkdir(results, { recursive: true })
  const file = join(results, `${prefix}${date.toISOString().replaceAll(":", "-")}.json`)
  await writeFile(file, `${JSON.stringify({ date: date.toISOString(), ...result }, undefined, 2)}\n`)
  return file
}
