import { constants } from "node:fs"
import { copyFile, link, mkdir, readdir, rename, rm, stat } from "node:fs/promises"
import { join } from "node:path"
import { openImage, type Image } from "./image.js"

/**
 * The images that a data directory's sandboxes rest on. A sandbox's files are changes to its image's base, so the image
 * is kept beside them for as long as the data directory lives, whatever becomes of the cache that it was built in.
 */
export class ImageShelf {
  readonly #directory: string

  constructor(directory: string) {
    this.#directory = directory
  }

  /**
   * Puts an image on the shelf, by hard links where the file system allows, else as a copy. Does nothing when it is there.
   *
   * @param source The image's directory, as it was built.
   * @throws Error that says what to do when `source` holds no image.
   */
  async add(source: string): Promise<Image> {
    const { key } = await openImage(source)
    const home = join(this.#directory, key)
    if ((await stat(home).catch(() => undefined)) === undefined) {
      const unfinished = `${home}.new`
      await rm(unfinished, { recursive: true, force: true })
      await mkdir(unfinished, { recursive: true, mode: 0o700 })
      for (const name of await readdir(source)) await linkOrCopy(join(source, name), join(unfinished, name))
      await rename(unfinished, home)
    }
    return openImage(home)
  }

  /** @throws Error when the image is not on the shelf. */
  get(key: string): Promise<Image> {
    return openImage(join(this.#directory, key))
  }
}

async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to)
  } catch {
    // Another file system, or one without links.
    await copyFile(from, to, constants.COPYFILE_FICLONE)
  }
}
