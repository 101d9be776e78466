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
  /** Size of the sandbox's disk as the guest sees it, in bytes. */
  readonly diskBytes: number
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
    diskBytes,
    kernel: join(directory, imageFiles.kernel),
    initramfs: join(directory, imageFiles.initramfs),
    base: join(directory, imageFiles.base),
    blankDisk: join(directory, imageFiles.blankDisk),
  }
}
