import { open, readdir, rename, rm } from "node:fs/promises"
import { join, relative } from "node:path"
import { execa } from "execa"
import { z } from "zod"
import type { Image } from "../image.js"
import { emptyQcow2 } from "./empty-qcow2.js"
import { isLayerId, type LayerId } from "./layer.js"

/**
 * 16 KiB: one small change costs about 150 KB on disk with it, 600 to 900 KB with QEMU's default of 64 KiB,
 * because a file system touches a handful of scattered blocks and each one costs a cluster.
 */
export const clusterBits = 14

/** Ends the name of a layer's file until it is whole. */
const unfinished = ".unfinished"

/** Checking one layer is a matter of milliseconds; a disk that does not answer for this long is broken. */
const toolTimeoutMilliseconds = 30_000

const checkReport = z.object({ "allocated-clusters": z.number().default(0) })

/** The directory that holds the layers: one immutable-once-sealed qcow2 file each. */
export class LayerDirectory {
  readonly #directory: string

  constructor(directory: string) {
    this.#directory = directory
  }

  path(layer: LayerId): string {
    return join(this.#directory, `${layer}.qcow2`)
  }

  /** How a layer's file names the one that it rests on: another layer, or the image's blank disk. */
  nameFor(layer: LayerId | undefined, image: Image): string {
    return layer === undefined ? relative(this.#directory, image.blankDisk) : `${layer}.qcow2`
  }

  /**
   * Makes an empty layer on top of another one, or of the image's blank disk. The name of what it rests on is written
   * into the file, so that the chain can be followed without the database. The file appears whole or not at all.
   */
  async create(layer: LayerId, parent: LayerId | undefined, image: Image): Promise<void> {
    const below = this.nameFor(parent, image)
    const { length, pieces } = emptyQcow2(image.diskBytes, clusterBits, below)
    const path = this.path(layer)
    const file = await open(path + unfinished, "wx", 0o600)
    try {
      for (const { offset, bytes } of pieces) await file.write(bytes, 0, bytes.length, offset)
      await file.truncate(length)
    } finally {
      await file.close()
    }
    await rename(path + unfinished, path)
  }

  /** Removes what was being made when an earlier server died. */
  async removeUnfinished(): Promise<void> {
    const names = await readdir(this.#directory)
    for (const name of names.filter((name) => name.endsWith(unfinished)))
      await rm(join(this.#directory, name))
  }

  /** Whether anything was ever written to the layer itself. It must not be open in a machine. */
  async holdsData(layer: LayerId): Promise<boolean> {
    const alone = { driver: "qcow2", backing: null, file: { driver: "file", filename: this.path(layer) } }
    const { stdout } = await execa("qemu-img", ["check", "--output=json", `json:${JSON.stringify(alone)}`], {
      timeout: toolTimeoutMilliseconds,
      stdin: "ignore",
      // 3: the layer has clusters that nothing refers to, as after a machine's sudden death. They only take room.
      reject: false,
    })
    return checkReport.parse(JSON.parse(stdout))["allocated-clusters"] > 0
  }

  /** The layers that have a file here, in no order. */
  async list(): Promise<LayerId[]> {
    const names = await readdir(this.#directory)
    return names
      .filter((name) => name.endsWith(".qcow2"))
      .map((name) => name.slice(0, -".qcow2".length))
      .filter(isLayerId)
  }

  /** Removes a layer's file, finished or not; one that is gone already is no error. */
  async remove(layer: LayerId): Promise<void> {
    await rm(this.path(layer), { force: true })
    await rm(this.path(layer) + unfinished, { force: true })
  }
}
