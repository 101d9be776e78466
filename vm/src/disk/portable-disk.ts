import { resolve } from "node:path"
import { execa } from "execa"
import type { Image } from "../image.js"
import { clusterBits } from "./layer-directory.js"
import { nameBacking, rebase } from "./rebase.js"

/** How a portable disk names the blank disk that it rests on: as it is found when an archive is unpacked by hand. */
export const portableBacking = "image/blank.qcow2"

const createMilliseconds = 30_000

/**
 * Gathers what a chain of layers changes on the image's blank disk in one new file, to be taken elsewhere. A machine
 * may have the layers open, as long as it writes to none of them.
 *
 * @param top The file of the chain's newest layer; the blank disk itself for a chain of none.
 * @param target The file to make; what is there after a failure is for the caller to remove.
 */
export async function writePortableDisk(top: string, image: Image, target: string): Promise<void> {
  const options = ["-o", `cluster_size=${2 ** clusterBits}`]
  // Paths in full, since they are taken as relative to the new file otherwise.
  const create = ["create", "-q", "-f", "qcow2", ...options, "-b", resolve(top), "-F", "qcow2", target]
  await execa("qemu-img", create, { timeout: createMilliseconds, stdin: "ignore" })
  // (`qemu-img convert -B` would miss all but the topmost layer.)
  await rebase(target, resolve(image.blankDisk), "awaited")
  await nameBacking(target, portableBacking)
}
