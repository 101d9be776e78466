import { constants } from "node:fs"
import { copyFile, readdir, rename, rm } from "node:fs/promises"
import { join, relative } from "node:path"
import { execa } from "execa"
import { z } from "zod"
import type { Durability } from "../durability.js"
import type { Image } from "../image.js"
import { emptyQcow2 } from "./empty-qcow2.js"
import { layerFacts, fingerprint, type Fingerprint, type LayerFacts } from "./fingerprint.js"
import { isLayerId, type LayerId } from "./layer.js"
import { rebase } from "./rebase.js"
import { shownBytes } from "./shown-bytes.js"
import { writeSparseFile } from "./sparse-file.js"
import { syncFile } from "../sync-file.js"

/**
 * 16 KiB: one small change costs about 150 KB on disk with it, 600 to 900 KB with QEMU's default of 64 KiB,
 * because a file system touches a handful of scattered blocks and each one costs a cluster.
 */
export const clusterBits = 14

/** Ends the name of a layer's file. */
const suffix = ".qcow2"

/** Ends the name of a layer's file until it is whole. */
const unfinished = ".unfinished"

/** Checking one layer is a matter of milliseconds; a disk that does not answer for this long is broken. */
const toolTimeoutMilliseconds = 30_000

const checkReport = z.object({
  corruptions: z.number().default(0),
  "check-errors": z.number().default(0),
})

/** A layer's new file that has not taken the place of the old one yet. */
export interface Rewriting {
  /** Of the new file. */
  readonly fingerprint: Fingerprint
  /** Puts the new file in the place of the old one. Who has the old one open goes on reading that. */
  replace(): Promise<void>
  discard(): Promise<void>
}

/**
 * The directory that holds the layers: one qcow2 file each. What a sealed layer shows to its readers never changes; its
 * file may be replaced by one that shows the same and rests further down.
 */
export class LayerDirectory {
  readonly durability: Durability
  readonly #directory: string
  /** How many users have a layer's file open, or are about to. */
  readonly #pins = new Map<LayerId, number>()
  /** Layers whose file goes with their last pin. */
  readonly #doomed = new Set<LayerId>()

  constructor(directory: string, durability: Durability) {
    this.#directory = directory
    this.durability = durability
  }

  path(layer: LayerId): string {
    return join(this.#directory, layer + suffix)
  }

  /** How a layer's file names the one that it rests on: another layer, or the image's blank disk. */
  nameFor(layer: LayerId | null, image: Image): string {
    return layer === null ? relative(this.#directory, image.blankDisk) : `${layer}.qcow2`
  }

  /**
   * Makes an empty layer on top of another one, or of the image's blank disk. The name of what it rests on is written
   * into the file, so that the chain can be followed without the database. The file appears whole or not at all.
   */
  async create(layer: LayerId, parent: LayerId | null, image: Image): Promise<void> {
    const path = this.path(layer)
    await this.#writeEmpty(path + unfinished, this.nameFor(parent, image), image)
    await rename(path + unfinished, path)
    await this.#sync()
  }

  /**
   * Writes a layer anew so that it rests on `base` and holds itself what it would have read from the layers between.
   * They and the layer itself stay as they are; whoever calls sees to it that they exist until the end (see `pin`).
   *
   * @param base One that the layer rests on, directly or not; null is the image's blank disk.
   * @throws Error when it did not get to its end, by `cancelled` for instance; nothing is left of it then.
   */
  async rewrite(
    layer: LayerId,
    base: LayerId | null,
    image: Image,
    cancelled: AbortSignal,
  ): Promise<Rewriting> {
    const file = this.path(layer) + unfinished
    const discard = () => rm(file, { force: true })
    try {
      // With all that the layer itself holds, even where that is what the base holds too: those that still read it on the
      // layers between would find what is there instead.
      await copyFile(this.path(layer), file, constants.COPYFILE_FICLONE)
      cancelled.throwIfAborted()
      await rebase(file, this.nameFor(base, image), "background", cancelled)
      // Whatever the durability: the old file, and those between, held this safely before they are removed.
      await syncFile(file)
      return {
        fingerprint: await fingerprint(file, cancelled),
        replace: async () => {
          await rename(file, this.path(layer))
          await syncFile(this.#directory)
        },
        discard,
      }
    } catch (error) {
      await discard()
      throw error
    }
  }

  /** Takes in a file that names the image's blank disk as `nameFor` does. It must be open nowhere, and on the same disk. */
  async takeIn(file: string, layer: LayerId): Promise<void> {
    await syncFile(file)
    await rename(file, this.path(layer))
    await this.#sync()
  }

  /** Removes what was being made when an earlier server died. */
  async removeUnfinished(): Promise<void> {
    const names = await readdir(this.#directory)
    for (const name of names.filter((name) => name.endsWith(unfinished)))
      await rm(join(this.#directory, name))
  }

  /**
   * Whether anything was ever written to the layer itself: the first thing that is makes its file longer. Must not be
   * asked while a machine writes to it.
   */
  async holdsData(layer: LayerId, image: Image): Promise<boolean> {
    const facts = await this.facts(layer)
    if (facts === undefined) throw new Error(`the file of layer ${layer} is missing`)
    return facts.length > emptyQcow2(image.diskBytes, clusterBits, "").length
  }

  /**
   * Whether the layer's own structure is sound, by `qemu-img check`. It must not be open for writing in a machine.
   *
   * @returns what is wrong; undefined when nothing is.
   */
  async flaw(layer: LayerId): Promise<string | undefined> {
    try {
      const report = await this.#check(layer)
      const errors = report.corruptions + report["check-errors"]
      return errors === 0 ? undefined : `qemu-img check found ${errors} errors`
    } catch (error) {
      return `qemu-img check could not read it: ${error instanceof Error ? error.message : String(error)}`
    }
  }

  /**
   * How many bytes of each layer of its chain a sealed layer still shows: the others were written over, or discarded,
   * further up. Layers of which it shows nothing are left out.
   */
  async shownBytes(layer: LayerId, cancelled: AbortSignal): Promise<Map<LayerId, number>> {
    const shown = new Map<LayerId, number>()
    for (const [name, bytes] of await shownBytes(this.path(layer), cancelled)) {
      const below = layerIn(name)
      if (below !== undefined) shown.set(below, bytes)
    }
    return shown
  }

  /** The layers that have a file here, in no order. */
  async list(): Promise<LayerId[]> {
    return (await readdir(this.#directory)).map(layerIn).filter((layer) => layer !== undefined)
  }

  /** What the file system says of a layer's file; undefined when it is not there. */
  facts(layer: LayerId): Promise<LayerFacts | undefined> {
    return layerFacts(this.path(layer))
  }

  /** What a layer's file can be known by again. Reads all of it. */
  fingerprint(layer: LayerId, cancelled?: AbortSignal): Promise<Fingerprint> {
    return fingerprint(this.path(layer), cancelled)
  }

  /**
   * Keeps layers' files from being removed until the answer is called: who is about to open them would not find them.
   */
  pin(layers: readonly LayerId[]): () => Promise<void> {
    for (const layer of layers) this.#pins.set(layer, (this.#pins.get(layer) ?? 0) + 1)
    let pinned = true
    return async () => {
      if (!pinned) return
      pinned = false
      for (const layer of layers) {
        const left = (this.#pins.get(layer) ?? 1) - 1
        if (left > 0) this.#pins.set(layer, left)
        else this.#pins.delete(layer)
      }
      for (const layer of layers) if (this.#doomed.has(layer)) await this.remove(layer)
    }
  }

  /** Removes a layer's file, finished or not, or has it removed with its last pin; one that is gone already is no error. */
  async remove(layer: LayerId): Promise<void> {
    if (this.#pins.has(layer)) {
      this.#doomed.add(layer)
      return
    }
    this.#doomed.delete(layer)
    await rm(this.path(layer), { force: true })
    await rm(this.path(layer) + unfinished, { force: true })
  }

  async #writeEmpty(path: string, backing: string, image: Image): Promise<void> {
    await writeSparseFile(path, emptyQcow2(image.diskBytes, clusterBits, backing))
    if (this.durability === "disk") await syncFile(path)
  }

  /** Makes the names in the directory survive a loss of power, where that was asked for. */
  async #sync(): Promise<void> {
    if (this.durability === "disk") await syncFile(this.#directory)
  }

  async #check(layer: LayerId): Promise<z.infer<typeof checkReport>> {
    const alone = { driver: "qcow2", backing: null, file: { driver: "file", filename: this.path(layer) } }
    const { stdout, stderr } = await execa(
      "qemu-img",
      ["check", "--output=json", `json:${JSON.stringify(alone)}`],
      {
        timeout: toolTimeoutMilliseconds,
        stdin: "ignore",
        // 3: the layer has clusters that nothing refers to, as after a machine's sudden death. They only take room.
        reject: false,
      },
    )
    if (stdout === "") throw new Error(stderr.slice(-500) || "it says nothing")
    return checkReport.parse(JSON.parse(stdout))
  }
}

/** The layer that a file of this name holds, if it is one's. */
function layerIn(name: string): LayerId | undefined {
  const layer = name.slice(0, -suffix.length)
  return name.endsWith(suffix) && isLayerId(layer) ? layer : undefined
}
