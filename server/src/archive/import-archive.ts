import { mkdir, rm, stat } from "node:fs/promises"
import { dirname, join } from "node:path"
import {
  contentFiles,
  copyForeignDisk,
  digestOf,
  foreignImageKey,
  imageFiles,
  portableBacking,
  prepareForeignImage,
  type Image,
  type ImageShelf,
} from "@opensandbox/vm"
import type { Logger } from "pino"
import { requireSpace } from "../storage/space.js"
import { asFailure } from "../storage/storage-failure.js"
import { Teardown } from "../teardown.js"
import { ArchiveReader } from "./archive-reader.js"
import { announcedImage, diskBytesOf, diskName, imageEntry, type Manifest } from "./manifest.js"
import { asRefusal, refusal } from "./refusal.js"
import type { Scratch } from "./scratch.js"

/** What an import works with. */
export interface ImportMeans {
  readonly shelf: ImageShelf
  readonly scratch: Scratch
  /** The largest blank disk of an image that is taken in, in bytes. */
  readonly maxDiskBytes: number
  /** How the file of the disk shall name the image's blank disk, on which it rests. */
  readonly nameOfBlankDisk: (image: Image) => string
  readonly log: Logger
}

/** What came out of an archive, all of it verified, and not yet a sandbox. */
export interface ImportedSandbox {
  readonly manifest: Manifest
  /** On the shelf, and held there until `dispose`. */
  readonly image: Image
  /** A qcow2 file that was made here, on the image's blank disk. It may be moved away. */
  readonly disk: string
  /** Lets go of everything: called in any case, when the sandbox is recorded or failed to be. */
  dispose(): Promise<void>
}

/**
 * Takes in an archive. Nothing of a refused one is left.
 *
 * @throws Failure `invalid_request` with what is wrong with the archive, `disk_full`, and what the stream itself fails with.
 */
export async function importArchive(
  archive: ReadableStream<Uint8Array>,
  means: ImportMeans,
): Promise<ImportedSandbox> {
  const undo = new Teardown()
  try {
    const reader = await ArchiveReader.open(archive, means.maxDiskBytes)
    undo.add(() => reader.close())
    const directory = await means.scratch.make()
    undo.add(() => directory.remove())
    const { image, isNew } = await receive(reader, directory.path, means.shelf, undo)
    await reader.close()
    const disk = await takeInDisk(directory.path, image, diskBytesOf(reader.manifest), means)
    // Last, so that there is no image of an archive whose disk is refused.
    const shelved = isNew ? await means.shelf.adopt(dirname(image.base)) : image
    return { manifest: reader.manifest, image: shelved, disk, dispose: () => undo.run() }
  } catch (error) {
    means.log.warn({ err: error }, "an archive was not imported")
    await undo.run()
    throw asFailure(error)
  }
}

/** The disk as it came. */
const receivedDisk = "received.qcow2"

interface Received {
  /** Held on the shelf, or to be put there. */
  readonly image: Image
  readonly isNew: boolean
}

/** Reads the files; those of the image only where it is not on the shelf. */
async function receive(
  reader: ArchiveReader,
  directory: string,
  shelf: ImageShelf,
  undo: Teardown,
): Promise<Received> {
  const places = new Map([[diskName, join(directory, receivedDisk)]])
  const known = await findImage(reader.manifest, shelf, undo)
  if (known !== undefined) {
    await reader.readFiles((name) => places.get(name))
    return { image: known, isNew: false }
  }
  const announced = announcedImage(reader.manifest)
  if (announced === undefined) {
    throw refusal("its image is not on this server: export the sandbox again, without --without-image")
  }
  const imageDirectory = join(directory, "image")
  await mkdir(imageDirectory, { mode: 0o700 })
  for (const name of contentFiles) places.set(imageEntry(name), join(imageDirectory, name))
  await reader.readFiles((name) => places.get(name))
  try {
    const image = await prepareForeignImage(imageDirectory, announced, reader.manifest.image.disk_bytes)
    return { image, isNew: true }
  } catch (error) {
    throw asRefusal(error, "the image")
  }
}

/**
 * Finds the image on the shelf: by the key that it had where the archive was made, if its content is the same here, or
 * by the key that it got when it was imported before.
 */
async function findImage({ image }: Manifest, shelf: ImageShelf, undo: Teardown): Promise<Image | undefined> {
  const imported = foreignImageKey(image.content)
  for (const key of [image.key, imported]) undo.add(shelf.hold(key))
  const namesake = await shelf.find(image.key)
  if (namesake !== undefined) {
    const digest = digestOf(await shelf.content(namesake), namesake.diskBytes)
    if (digest === image.content) return namesake
  }
  return shelf.find(imported)
}

/** @returns the file of the verified disk; the one that came is gone. */
async function takeInDisk(
  directory: string,
  image: Image,
  diskBytes: number,
  means: ImportMeans,
): Promise<string> {
  const [path, target] = [join(directory, receivedDisk), join(directory, diskName)]
  await requireSpace(directory, (await stat(path)).size)
  // Where it is now, and where it will be once the image is on the shelf.
  const [blankDisk, settled] = [image.blankDisk, means.shelf.path(image.key, imageFiles.blankDisk)]
  const base = { path: blankDisk, name: means.nameOfBlankDisk({ ...image, blankDisk: settled }) }
  try {
    await copyForeignDisk({ path, diskBytes, backing: portableBacking, target, base })
  } catch (error) {
    throw asRefusal(error, diskName)
  }
  await rm(path)
  return target
}
