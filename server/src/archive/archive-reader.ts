import { createHash } from "node:crypto"
import { open, type FileHandle } from "node:fs/promises"
import { dirname } from "node:path"
import { Readable } from "node:stream"
import type { ReadableStream as NodeReadableStream } from "node:stream/web"
import { requireSpace } from "../storage/space.js"
import { ByteReader, TruncatedError } from "./byte-reader.js"
import {
  manifestName,
  maxManifestBytes,
  parseManifest,
  type AnnouncedFile,
  type Manifest,
} from "./manifest.js"
import { refusal } from "./refusal.js"
import { endOfArchive, headerBytes, padding, readHeader } from "./tar.js"
import { decompress, ZstdError, type ZstdStream } from "./zstd.js"

/** How much is written between two looks at the room that is left. */
const bytesBetweenLooks = 64 * 1024 * 1024

/**
 * Reads an archive that came from elsewhere, in one pass and in constant memory: the manifest, then exactly the files
 * that it announces, in its order. No name in the archive becomes a path. Every method rejects with a Failure that says
 * what is wrong with the archive.
 */
export class ArchiveReader {
  readonly manifest: Manifest
  readonly #bytes: ByteReader
  readonly #zstd: ZstdStream

  private constructor(manifest: Manifest, bytes: ByteReader, zstd: ZstdStream) {
    this.manifest = manifest
    this.#bytes = bytes
    this.#zstd = zstd
  }

  /**
   * Reads the manifest. What is opened has to be closed.
   *
   * @param maxDiskBytes The largest disk that is taken in, in bytes as the guest sees it.
   */
  static async open(archive: ReadableStream<Uint8Array>, maxDiskBytes: number): Promise<ArchiveReader> {
    const zstd = decompress(Readable.fromWeb(archive as NodeReadableStream))
    const bytes = new ByteReader(zstd.output)
    try {
      const manifest = await explained(async () => {
        const length = await readFileHeader(bytes, manifestName)
        if (length > maxManifestBytes)
          throw refusal(`${manifestName} is larger than ${maxManifestBytes} bytes`)
        const text = (await bytes.exactly(length)).toString()
        await readPadding(bytes, length)
        return parseManifest(text, maxDiskBytes)
      })
      return new ArchiveReader(manifest, bytes, zstd)
    } catch (error) {
      await zstd.stop()
      throw error
    }
  }

  /**
   * Reads all files, and compares each with what the manifest says of it, to the end of the archive.
   *
   * @param place Where a file goes, which must not be there yet; undefined for one that is only compared.
   */
  readFiles(place: (name: string) => string | undefined): Promise<void> {
    return explained(async () => {
      for (const file of this.manifest.files) await this.#readFile(file, place(file.name))
      const end = await this.#bytes.exactly(endOfArchive.length)
      if (!end.equals(endOfArchive) || !(await this.#bytes.atEnd())) {
        throw refusal("it holds more than its manifest announces")
      }
    })
  }

  /** Ends what reads the archive, wherever it stands. */
  async close(): Promise<void> {
    await this.#zstd.stop()
  }

  async #readFile({ name, bytes, sha256 }: AnnouncedFile, path: string | undefined): Promise<void> {
    const length = await readFileHeader(this.#bytes, name)
    if (length !== bytes) throw refusal(`${name} is not as long as the manifest says`)
    const hash = createHash("sha256")
    const file = path === undefined ? undefined : await NewFile.create(path, bytes)
    try {
      for await (const piece of this.#bytes.pieces(bytes)) {
        hash.update(piece)
        await file?.write(piece)
      }
    } finally {
      await file?.close()
    }
    await readPadding(this.#bytes, bytes)
    if (hash.digest("hex") !== sha256) throw refusal(`${name} is damaged: its checksum is wrong`)
  }
}

/** A file that is written from its beginning to its end, as long as the host has room. */
class NewFile {
  readonly #path: string
  readonly #file: FileHandle
  #bytesUntilLook = bytesBetweenLooks

  private constructor(path: string, file: FileHandle) {
    this.#path = path
    this.#file = file
  }

  /** @throws Failure `disk_full` when there is no room for as many bytes. */
  static async create(path: string, bytes: number): Promise<NewFile> {
    await requireSpace(dirname(path), bytes)
    return new NewFile(path, await open(path, "wx", 0o600))
  }

  async write(piece: Buffer): Promise<void> {
    this.#bytesUntilLook -= piece.length
    if (this.#bytesUntilLook < 0) {
      await requireSpace(dirname(this.#path))
      this.#bytesUntilLook = bytesBetweenLooks
    }
    await this.#file.writeFile(piece)
  }

  close(): Promise<void> {
    return this.#file.close()
  }
}

/** @returns the length of the file that follows. */
async function readFileHeader(bytes: ByteReader, expected: string): Promise<number> {
  const block = await bytes.exactly(headerBytes)
  const header = readHeader(block)
  if (header === undefined) {
    throw refusal(
      block.equals(Buffer.alloc(headerBytes)) ? `${expected} is missing` : "it is damaged, or no tar file",
    )
  }
  if (header.name !== expected) throw refusal(`it holds something else where ${expected} should be`)
  if (!header.isFile) throw refusal(`${expected} is not a plain file in it`)
  return header.bytes
}

async function readPadding(bytes: ByteReader, length: number): Promise<void> {
  const expected = padding(length)
  if (!(await bytes.exactly(expected.length)).equals(expected))
    throw refusal("it is damaged between two files")
}

/** Says for people what zstd and the end of the stream tell. */
async function explained<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof TruncatedError) throw refusal("it is not complete")
    if (error instanceof ZstdError) {
      throw refusal("it was damaged or cut off on its way, or was not made by an export")
    }
    throw error
  }
}
