import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { z } from "zod"

const imageFile = z.object({
  key: z.string().regex(/^[a-z0-9._-]{1,64}$/),
  diskBytes: z.number().int().positive(),
})

/** The names of an image's files in its directory. */
export const imageFiles = {
  description: "image.json",
  kernel: "vmlinuz",
  initramfs: "initramfs",
  base: "base.raw",
  blankDisk: "blank.qcow2",
} as const

export type ImageFile = (typeof imageFiles)[keyof typeof imageFiles]

/** What a machine boots from: a kernel, an initramfs with the agent, a read-only base file system and a blank disk. */
export interface Image {
  /** Names the content: two images with the same key are the same. */
  readonly key: string
  readonly kernel: string
  readonly initramfs: string
  /** The read-only base file system (raw ext4). */
  readonly base: string
  /** The formatted, empty disk on which the first layer of every sandbox rests (qcow2). */
  readonly blankDisk: string
  /** Size of the blank disk, in bytes: no sandbox's disk is smaller. */
  readonly blankBytes: number
  /** Size of the sandbox's disk as the guest sees it, in bytes. */
  readonly diskBytes: number
}

/**
 * The image for a sandbox with a larger disk: what lies beyond the blank one is zero, until the guest's file system grows
 * into it at its first mount.
 *
 * @param diskBytes At least those of the blank disk.
 */
export function withDisk(image: Image, diskBytes: number): Image {
  if (diskBytes < image.blankBytes) throw new RangeError("a disk cannot be smaller than the blank one")
  return { ...image, diskBytes }
}

/**
 * Opens an image directory.
 *
 * @throws Error that says what to do when it is no image.
 */
export async function openImage(directory: string): Promise<Image> {
  let text: string
  try {
    text = await readFile(join(directory, imageFiles.description), "utf8")
  } catch (error) {
    throw new Error(`there is no image in ${directory}: run "npm run setup" to build one`, { cause: error })
  }
  const { key, diskBytes } = imageFile.parse(JSON.parse(text))
  return {
    key,
    blankBytes: diskBytes,
    diskBytes,
    kernel: join(directory, imageFiles.kernel),
    initramfs: join(directory, imageFiles.initramfs),
    base: join(directory, imageFiles.base),
    blankDisk: join(directory, imageFiles.blankDisk),
  }
}
