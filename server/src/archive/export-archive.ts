import { createReadStream } from "node:fs"
import { Readable } from "node:stream"
import { contentFiles, contentOf, digestOf, imageFiles, type Image, type ImageShelf } from "@opensandbox/vm"
import type { Logger } from "pino"
import { asFailure } from "../storage/storage-failure.js"
import { Teardown } from "../teardown.js"
import { diskName, imageEntry, manifestName, type ExportedSandbox, type Manifest } from "./manifest.js"
import { outgoing } from "./outgoing.js"
import { endOfArchive, fileHeader, padding } from "./tar.js"
import { compress } from "./zstd.js"

const pieceBytes = 256 * 1024

/** What to export. */
export interface ExportRequest extends ExportedSandbox {
  /** On the shelf. */
  readonly image: Image
  /** Without the image the archive is a tenth as large, and for servers that have the same one. */
  readonly includeImage: boolean
  /** The snapshot's disk, as `writePortableDisk` makes it. */
  readonly disk: string
  /** Called once, when the disk is not needed any more, whatever became of the export. */
  readonly release: () => Promise<void>
}

/**
 * Makes an archive: a tar file of the manifest, the disk and the image, compressed by zstd. All files are read twice,
 * the first time for their checksums, before this is fulfilled. What fails after that breaks the stream off.
 *
 * @throws Failure `unavailable` or `disk_full` when a file cannot be read.
 */
export async function exportArchive(
  request: ExportRequest,
  { shelf, log }: { shelf: ImageShelf; log: Logger },
): Promise<ReadableStream<Uint8Array>> {
  const undo = new Teardown()
  undo.add(request.release)
  undo.add(shelf.hold(request.image.key))
  const end = async () => {
    await undo.run().catch((error: unknown) => {
      log.error({ err: error }, "not everything of an export could be cleared away")
    })
  }
  try {
    const { exportedAt, entries } = await plan(request, shelf)
    const zstd = compress(Readable.from(tarOf(entries, exportedAt), { objectMode: false }))
    undo.add(() => zstd.stop())
    return outgoing(zstd.output, end)
  } catch (error) {
    await end()
    throw asFailure(error)
  }
}

/** An entry of the archive: a file, or bytes that are made here. */
interface Entry {
  readonly name: string
  readonly bytes: number
  readonly source: string | Buffer
}

async function plan(
  { sandbox, snapshot, image, includeImage, disk }: ExportRequest,
  shelf: ImageShelf,
): Promise<{ exportedAt: Date; entries: Entry[] }> {
  const content = await shelf.content(image)
  const files = [{ name: diskName, path: disk, ...(await contentOf(disk)) }]
  if (includeImage) {
    for (const name of contentFiles) {
      files.push({ name: imageEntry(name), path: shelf.path(image.key, name), ...content[name] })
    }
    const description = shelf.path(image.key, imageFiles.description)
    const name = imageEntry(imageFiles.description)
    files.push({ name, path: description, ...(await contentOf(description)) })
  }
  const exportedAt = new Date()
  const manifest: Manifest = {
    format: "opensandbox-sandbox",
    version: 1,
    exported_at: exportedAt.toISOString(),
    sandbox,
    snapshot,
    image: {
      key: image.key,
      disk_bytes: image.diskBytes,
      content: digestOf(content, image.diskBytes),
    },
    files: files.map(({ name, bytes, sha256 }) => ({ name, bytes, sha256 })),
  }
  const text = Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`)
  const first = { name: manifestName, bytes: text.length, source: text }
  return {
    exportedAt,
    entries: [first, ...files.map(({ name, bytes, path }) => ({ name, bytes, source: path }))],
  }
}

async function* tarOf(entries: readonly Entry[], time: Date): AsyncGenerator<Buffer, void, undefined> {
  for (const { name, bytes, source } of entries) {
    yield fileHeader(name, bytes, time)
    if (typeof source === "string") yield* wholeFile(source, bytes)
    else yield source
    yield padding(bytes)
  }
  yield endOfArchive
}

/** @throws Error when the file is not as long any more as its header says. */
async function* wholeFile(path: string, bytes: number): AsyncGenerator<Buffer, void, undefined> {
  let left = bytes
  for await (const piece of createReadStream(path, { highWaterMark: pieceBytes })) {
    left -= (piece as Buffer).length
    yield piece as Buffer
  }
  if (left !== 0) throw new Error(`${path} changed while it was exported`)
}
