import { readdir, stat } from "node:fs/promises"
import { join } from "node:path"

/** The names of the files in a data directory's directory of layers. */
export async function layerFiles(dataDirectory: string): Promise<string[]> {
  return (await readdir(join(dataDirectory, "layers"))).sort()
}

/** What those files take on the disk, in bytes. */
export async function layerBytes(dataDirectory: string): Promise<number> {
  const files = (await layerFiles(dataDirectory)).map((name) => join(dataDirectory, "layers", name))
  // One may be replaced meanwhile.
  const facts = await Promise.all(files.map((file) => stat(file).catch(() => undefined)))
  return facts.reduce((sum, file) => sum + (file?.blocks ?? 0) * 512, 0)
}
