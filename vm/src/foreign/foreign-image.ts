import { chmod, open, rename, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { contentFiles, digestOf, type ImageContent } from "../image-content.js"
import { imageFiles, openImage, type Image } from "../image.js"
import { copyForeignDisk } from "./foreign-disk.js"
import { ForeignFileError } from "./foreign-file-error.js"

/** How an image is known that came from elsewhere: the letter is in no key of an image that was built here. */
const foreignKey = /^x[0-9a-f]{19}$/

/** The key of an image that came from elsewhere, made from its content: it can pass for no other image. */
export function foreignImageKey(digest: string): string {
  return `x${digest.slice(0, 19)}`
}

export function isForeignImageKey(key: string): boolean {
  return foreignKey.test(key)
}

/**
 * Makes an image of files that came from elsewhere, to be put on a shelf (`ImageShelf.adopt`). Of the files, the blank disk is read by QEMU's block layer,
 * so it is copied into a file that is made here; the kernel is read by QEMU's loader, which takes other formats than
 * Linux's own; initramfs and base are read by nobody but the guest.
 *
 * @param directory Holds the files of {@link contentFiles}.
 * @param content What they hold, verified; the image's key is made from it.
 * @throws ForeignFileError when a file is not what it should be.
 */
export async function prepareForeignImage(
  directory: string,
  content: ImageContent,
  diskBytes: number,
): Promise<Image> {
  await checkKernel(join(directory, imageFiles.kernel))
  const blankDisk = join(directory, imageFiles.blankDisk)
  const copy = `${blankDisk}.copy`
  await copyForeignDisk({ path: blankDisk, diskBytes, backing: null, target: copy })
  await rm(blankDisk)
  await rename(copy, blankDisk)
  const key = foreignImageKey(digestOf(content, diskBytes))
  await writeFile(join(directory, imageFiles.description), `${JSON.stringify({ key, diskBytes }, null, 2)}\n`)
  for (const name of [...contentFiles, imageFiles.description]) await settle(join(directory, name))
  return openImage(directory)
}

/** Where a bzImage has its magic number, and which; see Documentation/x86/boot.rst of Linux. */
const magicAt = 0x202
const magic = "HdrS"

async function checkKernel(path: string): Promise<void> {
  const file = await open(path, "r")
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(magic.length), 0, magic.length, magicAt)
    if (buffer.toString("latin1", 0, bytesRead) !== magic) {
      throw new ForeignFileError("its kernel is no Linux kernel")
    }
  } finally {
    await file.close()
  }
}

/** All sandboxes of the image share the file from now on: it is on the disk, and nobody writes to it. */
async function settle(path: string): Promise<void> {
  const file = await open(path, "r")
  try {
    await file.sync()
  } finally {
    await file.close()
  }
  await chmod(path, 0o444)
}
