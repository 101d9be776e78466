import { access, constants } from "node:fs/promises"
import { delimiter, join } from "node:path"

/** Whether the host has a program. */
export async function hasProgram(name: string): Promise<boolean> {
  const directories = (process.env["PATH"] ?? "").split(delimiter)
  const found = directories.map((directory) => access(join(directory, name), constants.X_OK))
  return Promise.any(found).then(
    () => true,
    () => false,
  )
}
