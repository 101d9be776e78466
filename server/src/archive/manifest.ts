import { contentFiles, digestOf, imageFiles, largestDiskFile, type ImageContent } from "@opensandbox/vm"
import { cpus, memoryMb, mostDiskGb, networkPolicy } from "opensandbox/contract"
import { z } from "zod"
import { refusal } from "./refusal.js"

/** The entry that comes first, and says what follows. */
export const manifestName = "manifest.json"

/** The entry of the sandbox's disk. */
export const diskName = "disk.qcow2"

/** As long as a command may be. */
const maxCommandCharacters = 256 * 1024

/** The longest command takes up to six times as much as JSON. */
export const maxManifestBytes = 2 * 1024 * 1024

/** The entry of one of the image's files. */
export function imageEntry(file: string): string {
  return `image/${file}`
}

const entriesWithoutImage = [diskName]
const entriesWithImage = [
  diskName,
  ...contentFiles.map(imageEntry),
  // For those who unpack an archive by hand; an import writes its own.
  imageEntry(imageFiles.description),
]

const mebibyte = 1024 * 1024

/** What the files of an image may take; what is built here takes a tenth of it. */
const largestImageFile = new Map([
  [imageEntry(imageFiles.kernel), 256 * mebibyte],
  [imageEntry(imageFiles.initramfs), 512 * mebibyte],
  [imageEntry(imageFiles.base), 8192 * mebibyte],
  [imageEntry(imageFiles.blankDisk), 256 * mebibyte],
  [imageEntry(imageFiles.description), mebibyte],
])

const sha256 = z.string().regex(/^[0-9a-f]{64}$/)
const time = z.iso.datetime()

const snapshotKind = z.enum(["disk", "machine"])

const announcedFile = z.object({ name: z.string().max(100), bytes: z.int().nonnegative(), sha256 })

const manifestSchema = z.object({
  format: z.literal("opensandbox-sandbox"),
  version: z.literal(1),
  exported_at: time,
  sandbox: z.object({
    name: z.string().regex(/^[a-z0-9-]{1,63}$/),
    created_at: time,
    // Archives of earlier versions do not say.
    network: networkPolicy.optional(),
    snapshots: snapshotKind.optional(),
    // Its disk is the image's where it has no size of its own.
    size: z
      .object({
        cpus,
        memory_mb: memoryMb,
        disk_bytes: z
          .int()
          .positive()
          .multipleOf(4096)
          .max(mostDiskGb * 1024 * mebibyte)
          .nullable(),
      })
      .optional(),
  }),
  snapshot: z.object({
    name: z.string().regex(/^[A-Za-z0-9._-]{1,128}$/),
    // Of one of the whole machine the archive holds the files alone: its memory fits no other host's template.
    kind: snapshotKind.optional(),
    label: z
      .string()
      .regex(/^[A-Za-z0-9._-]{1,64}$/)
      .nullable(),
    command: z.string().max(maxCommandCharacters).nullable(),
    exit_code: z.int().nullable(),
    duration_ms: z.int().nonnegative().nullable(),
    created_at: time,
  }),
  image: z.object({
    key: z.string().regex(/^[a-z0-9]{1,64}$/),
    disk_bytes: z.int().positive().multipleOf(512),
    content: sha256,
  }),
  files: z.array(announcedFile).max(entriesWithImage.length),
})

/**
 * What an archive says of itself: the sandbox and the snapshot that it holds, the image that the disk rests on (`key`
 * names it where the archive was made, `content` is the hash of its content), and the files that follow, in their order.
 */
export type Manifest = z.infer<typeof manifestSchema>

/** A file of an archive, as the manifest announces it. */
export type AnnouncedFile = z.infer<typeof announcedFile>

/** What of a manifest the caller of an export provides. */
export type ExportedSandbox = Pick<Manifest, "sandbox" | "snapshot">

/**
 * Reads a manifest that came from elsewhere.
 *
 * @param maxDiskBytes The largest blank disk of an image that is taken in, in bytes.
 * @throws Failure `invalid_request` when it is none, or announces other files than an export makes, or larger ones.
 */
export function parseManifest(text: string, maxDiskBytes: number): Manifest {
  const { success, data, error } = manifestSchema.safeParse(asJson(text))
  if (!success) {
    const [issue] = error.issues
    const part = issue?.path.join(".") ?? ""
    if (part === "version")
      throw refusal("it was made by another version of OpenSandbox, in a format of its own")
    throw refusal(`${manifestName} is not that of a sandbox${part === "" ? "" : ` (see "${part}" in it)`}`)
  }
  requireExpectedFiles(data, maxDiskBytes)
  return data
}

/** What the image's files hold that are in the archive, too; undefined when they are not. */
export function announcedImage({ files }: Manifest): ImageContent | undefined {
  if (files.length === entriesWithoutImage.length) return undefined
  const byName = new Map(files.map((file) => [file.name, file]))
  const contents = contentFiles.map((name) => [name, byName.get(imageEntry(name))])
  return Object.fromEntries(contents) as ImageContent
}

/** Size of the sandbox's disk as its guest sees it, in bytes. */
export function diskBytesOf({ sandbox, image }: Pick<Manifest, "sandbox" | "image">): number {
  return sandbox.size?.disk_bytes ?? image.disk_bytes
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw refusal(`${manifestName} is not JSON`)
  }
}

function requireExpectedFiles(manifest: Manifest, maxDiskBytes: number): void {
  const { files, image } = manifest
  const diskBytes = diskBytesOf(manifest)
  const names = JSON.stringify(files.map(({ name }) => name))
  if (![entriesWithoutImage, entriesWithImage].some((expected) => JSON.stringify(expected) === names)) {
    throw refusal(`${manifestName} announces other files than an export makes`)
  }
  if (image.disk_bytes > maxDiskBytes) throw refusal("its disk is larger than those of this server")
  if (diskBytes < image.disk_bytes) throw refusal(`${manifestName} contradicts itself about the disk`)
  for (const { name, bytes } of files) {
    const most = name === diskName ? largestDiskFile(diskBytes) : (largestImageFile.get(name) ?? 0)
    if (bytes > most) throw refusal(`${name} is larger than ${most} bytes`)
  }
  const announced = announcedImage(manifest)
  if (announced !== undefined && digestOf(announced, image.disk_bytes) !== image.content) {
    throw refusal(`${manifestName} contradicts itself about the image`)
  }
}
