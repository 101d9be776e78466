import { constants, renameSync } from "node:fs"
import { copyFile, link, mkdir, readdir, rename, rm, stat } from "node:fs/promises"
import { join } from "node:path"
import { isForeignImageKey } from "./foreign/foreign-image.js"
import { contentFiles, contentOf, type ImageContent } from "./image-content.js"
import { openImage, type Image, type ImageFile } from "./image.js"

/** Ends the name of an image's directory that is no longer on the shelf, only not quite gone. */
const removed = ".removed"

/**
 * The images that a data directory's sandboxes rest on. A sandbox's files are changes to its image's base, so the image
 * is kept beside them for as long as the data directory lives, whatever becomes of the cache that it was built in.
 */
export class ImageShelf {
  readonly #directory: string
  readonly #contents = new Map<string, Promise<ImageContent>>()
  /** How many hold an image, by key. */
  readonly #holds = new Map<string, number>()
  /** How often an image was held since the shelf was opened. */
  #holdCount = 0

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

  /** The image of a key that came from elsewhere, undefined when it is not on the shelf. */
  async find(key: string): Promise<Image | undefined> {
    const names = await readdir(this.#directory)
    return names.includes(key) ? this.get(key) : undefined
  }

  /** Where a file of an image is, or will be once the image is here. */
  path(key: string, file: ImageFile): string {
    return join(this.#directory, key, file)
  }

  /** What an image's files hold. They never change, so they are read once, which takes some seconds. */
  content(image: Image): Promise<ImageContent> {
    let content = this.#contents.get(image.key)
    if (content === undefined) {
      content = readContent(join(this.#directory, image.key))
      this.#contents.set(image.key, content)
      content.catch(() => this.#contents.delete(image.key))
    }
    return content
  }

  /**
   * Puts an image that came from elsewhere on the shelf, unless it is there.
   *
   * @param source The directory of what `prepareForeignImage` made, on the shelf's file system; it is given away.
   */
  async adopt(source: string): Promise<Image> {
    const { key } = await openImage(source)
    const home = join(this.#directory, key)
    try {
      await rename(source, home)
    } catch (error) {
      // Somebody else was faster with the same one.
      if ((await this.find(key)) === undefined) throw error
    }
    return openImage(home)
  }

  /**
   * Keeps an image on the shelf: what is about to rest on it, or reads it, holds it until that is recorded or done.
   *
   * @returns what lets go of it, once, however often it is called.
   */
  hold(key: string): () => void {
    this.#holdCount++
    this.#holds.set(key, (this.#holds.get(key) ?? 0) + 1)
    let held = true
    return () => {
      if (!held) return
      held = false
      const left = (this.#holds.get(key) ?? 0) - 1
      if (left > 0) this.#holds.set(key, left)
      else this.#holds.delete(key)
    }
  }

  /**
   * Removes the images from elsewhere that nobody holds and no sandbox rests on. Those that were built here stay.
   *
   * @param keysInUse Gives the keys of the images that sandboxes rest on.
   */
  async removeUnused(keysInUse: () => Promise<ReadonlySet<string>>): Promise<void> {
    const holdCount = this.#holdCount
    const names = await readdir(this.#directory)
    // What an earlier removal did not get done with.
    for (const name of names.filter(isRemoved)) await this.#delete(name)
    const idle = names.filter((name) => isForeignImageKey(name) && !this.#holds.has(name))
    const inUse = await keysInUse()
    for (const key of idle.filter((key) => !inUse.has(key))) {
      // Who took hold of an image meanwhile may have recorded it meanwhile: it waits for the next time.
      if (this.#holdCount !== holdCount) return
      const home = join(this.#directory, key)
      // At once, so that nobody takes hold of it between the question and the act.
      renameSync(home, home + removed)
      this.#contents.delete(key)
      await this.#delete(key + removed)
    }
  }

  #delete(name: string): Promise<void> {
    return rm(join(this.#directory, name), { recursive: true, force: true })
  }
}

function isRemoved(name: string): boolean {
  return name.endsWith(removed)
}

async function readContent(directory: string): Promise<ImageContent> {
  const entries = contentFiles.map(async (name) => [name, await contentOf(join(directory, name))] as const)
  return Object.fromEntries(await Promise.all(entries)) as ImageContent
}

async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to)
  } catch {
    // Another file system, or one without links.
    await copyFile(from, to, constants.COPYFILE_FICLONE)
  }
}
