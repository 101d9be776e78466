import { link, mkdir, readdir, rename, rm, stat } from "node:fs/promises"
import { join } from "node:path"
import { copySparse } from "../copy-sparse.js"
import type { Durability } from "../durability.js"
import type { Image } from "../image.js"
import { syncFile } from "../sync-file.js"
import { lastingTemplateFiles, openTemplate, templateIdIn, type Template } from "./template.js"

/** Ends the name of a template's directory until it is whole, and once it is not needed any more. */
const passing = ".passing"

/**
 * The templates that memories rest on, by their `id`. The cache may lose a template, or have another made in its place, and
 * a memory is worth nothing on any but its own. So that one is kept beside the memories: under another name where the file
 * system has such, else as a copy.
 */
export class HeldTemplates {
  readonly #directory: string
  readonly #cache: string
  readonly #durability: Durability
  /** How often a template was held since the server began. */
  #holds = 0

  /** @param cache The directory of the templates that machines are cloned from. */
  constructor(directory: string, cache: string, durability: Durability) {
    this.#directory = directory
    this.#cache = cache
    this.#durability = durability
  }

  /**
   * Keeps a template from now on; does nothing when it is kept already.
   *
   * @throws Error when it is not in the cache any more, or there is no room for a copy.
   */
  async hold(id: string): Promise<void> {
    this.#holds++
    const home = join(this.#directory, id)
    if (await exists(home)) return
    const source = await this.#inCache(id)
    if (source === undefined) throw new Error("the template that the machine was cloned from is gone")
    const unfinished = home + passing
    await rm(unfinished, { recursive: true, force: true })
    await mkdir(unfinished, { mode: 0o700 })
    try {
      for (const name of lastingTemplateFiles) await this.#take(join(source, name), join(unfinished, name))
      await this.#sync(unfinished)
      await rename(unfinished, home)
      await this.#sync(this.#directory)
    } catch (error) {
      await rm(unfinished, { recursive: true, force: true })
      throw error
    }
  }

  /** A template that is kept; undefined when it is not, or was made of another image. */
  async get(id: string, image: Image): Promise<Template | undefined> {
    const template = await openTemplate(join(this.#directory, id), image)
    return template?.id === id ? template : undefined
  }

  /**
   * Keeps no longer what nothing needs.
   *
   * @param stillNeeded Gives the ids of the templates that are needed. What is held while it is asked stays for this time.
   */
  async release(stillNeeded: () => Promise<ReadonlySet<string>>): Promise<void> {
    const holds = this.#holds
    const names = await readdir(this.#directory)
    const needed = await stillNeeded()
    for (const name of names.filter((name) => !needed.has(name))) {
      // Whoever holds one now may have recorded since the question that it is needed.
      if (this.#holds !== holds) return
      await this.#remove(name)
    }
  }

  async #remove(name: string): Promise<void> {
    const home = join(this.#directory, name)
    const removed = name.endsWith(passing) ? home : home + passing
    // At once, so that what is left of it never passes for a template.
    if (removed !== home) await rename(home, removed)
    await rm(removed, { recursive: true, force: true })
  }

  async #take(from: string, to: string): Promise<void> {
    try {
      await link(from, to)
    } catch {
      await copySparse(from, to)
    }
    await this.#sync(to)
  }

  async #sync(path: string): Promise<void> {
    if (this.#durability === "disk") await syncFile(path)
  }

  async #inCache(id: string): Promise<string | undefined> {
    for (const name of await readdir(this.#cache).catch(() => [])) {
      const home = join(this.#cache, name)
      if ((await templateIdIn(home)) === id) return home
    }
    return undefined
  }
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
