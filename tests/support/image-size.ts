import { readdir, stat } from "node:fs/promises"
import { join } from "node:path"
import { currentImage, defaultCacheDirectory } from "@opensandbox/image"

/** The bytes that a copy of the present image takes. */
export async function sizeOfImage(): Promise<number> {
  const image = await currentImage(defaultCacheDirectory())
  if (image === undefined) throw new Error('there is no image: run "npm run setup"')
  const sizes = (await readdir(image)).map(async (name) => (await stat(join(image, name))).size)
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
}
