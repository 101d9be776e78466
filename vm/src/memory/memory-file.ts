import { createHash } from "node:crypto"
import { open, rename, rm, type FileHandle } from "node:fs/promises"
import { promisify } from "node:util"
import { deflate as deflateWithCallback, inflate as inflateWithCallback } from "node:zlib"
import { layerFacts } from "../disk/fingerprint.js"
import {
  checkChunkLength,
  checksumBytes,
  chunkCount,
  chunkPages,
  encodeHeader,
  encodeIndex,
  headerLength,
  indexLength,
  MalformedMemoryError,
  mostDevicesBytes,
  pagesOfChunk,
  parseHeader,
  parseIndex,
  prefixBytes,
  type MemoryHeader,
} from "./memory-format.js"
import type { MemoryFacts } from "./memory.js"
import { pageBytes } from "./page.js"
import type { PageIndex } from "./page-index.js"

const deflate = promisify(deflateWithCallback)
const inflate = promisify<Uint8Array, { maxOutputLength: number }, Buffer>(inflateWithCallback)

/** Fast rather than small: most of a guest's pages are half empty, and give way to any effort. */
const deflateLevel = 1

const hashedAtOnce = 1024 * 1024

/** How many chunks are read ahead of the one that is asked for. */
const readAhead = 4

/** What goes into a memory's file. */
export interface MemoryContent {
  readonly header: Omit<MemoryHeader, "pages" | "stored" | "devicesBytes" | "compressed">
  readonly index: PageIndex
  readonly devices: Uint8Array
  /** The pages that are not zero, in the order of the index. */
  readonly pages: readonly Uint8Array[]
}

/**
 * A memory's file, open for reading. Whatever becomes of its name meanwhile, it goes on showing what it shows.
 * What is wrong with it fails with a MalformedMemoryError.
 */
export class MemoryFile {
  readonly header: MemoryHeader
  readonly index: PageIndex
  readonly #file: FileHandle
  readonly #devicesAt: number

  private constructor(file: FileHandle, header: MemoryHeader, index: PageIndex, devicesAt: number) {
    this.#file = file
    this.header = header
    this.index = index
    this.#devicesAt = devicesAt
  }

  /** @throws Error with the system's code `ENOENT` when there is none. */
  static async open(path: string): Promise<MemoryFile> {
    const file = await open(path, "r")
    try {
      const header = await readHeader(file)
      const indexAt = prefixBytes + header.length
      const { fields } = header
      // What is read is bounded by the file, whatever it says of itself.
      const { size } = await file.stat()
      const atLeast = indexAt + indexLength(fields) + fields.devicesBytes + chunkCount(fields) * 5
      if (size < atLeast + checksumBytes) throw new MalformedMemoryError("it is cut off")
      const index = parseIndex(await readAt(file, indexAt, indexLength(fields)), fields)
      return new MemoryFile(file, fields, index, indexAt + indexLength(fields))
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /** Compares the whole file with its checksum. */
  async verify(): Promise<void> {
    const length = (await this.#file.stat()).size - checksumBytes
    const hash = createHash("sha256")
    for (let at = 0; at < length; at += hashedAtOnce)
      hash.update(await readAt(this.#file, at, Math.min(hashedAtOnce, length - at)))
    const checksum = await readAt(this.#file, length, checksumBytes)
    if (!hash.digest().equals(checksum))
      throw new MalformedMemoryError("its checksum does not fit its content")
  }

  /** As QEMU wrote them. */
  async devices(): Promise<Buffer> {
    return inflated(await this.deflatedDevices(), mostDevicesBytes)
  }

  /** The same, as they are in the file. */
  deflatedDevices(): Promise<Buffer> {
    return readAt(this.#file, this.#devicesAt, this.header.devicesBytes)
  }

  /** The contents of the pages that are not zero, in the order of the index: at most 256 at a time, one after the other. */
  async *chunks(): AsyncGenerator<Buffer> {
    const ahead: Promise<Buffer>[] = []
    let at = this.#devicesAt + this.header.devicesBytes
    for (let chunk = 0; chunk < chunkCount(this.header); chunk++) {
      const bytes = pagesOfChunk(this.header, chunk) * pageBytes
      const length = (await readAt(this.#file, at, 4)).readUInt32LE()
      checkChunkLength(length, bytes / pageBytes)
      const content = this.#content(at + 4, length, bytes)
      // It is looked at when its turn comes.
      content.catch(() => undefined)
      ahead.push(content)
      at += 4 + length
      if (ahead.length > readAhead) yield (await ahead.shift()) ?? Buffer.alloc(0)
    }
    for (const content of ahead) yield await content
  }

  async #content(at: number, length: number, bytes: number): Promise<Buffer> {
    const stored = await readAt(this.#file, at, length)
    if (length === bytes) return stored
    const content = await inflated(stored, bytes)
    if (content.length !== bytes) throw new MalformedMemoryError("one of its parts is too short")
    return content
  }

  close(): Promise<void> {
    return this.#file.close()
  }
}

/** What a file says of itself; undefined when there is none that is a memory's. Reads little of it. */
export async function memoryFacts(path: string): Promise<MemoryFacts | undefined> {
  let file: FileHandle
  try {
    file = await open(path, "r")
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw error
  }
  try {
    const [{ fields }, facts] = [await readHeader(file), await layerFacts(path)]
    const { stored: pages, template, parent, compressed } = fields
    return facts && { bytes: facts.bytes, pages, template, parent, compressed }
  } catch (error) {
    if (error instanceof MalformedMemoryError) return undefined
    throw error
  } finally {
    await file.close()
  }
}

/**
 * Writes a memory's file under another name first, so that it appears whole or not at all.
 *
 * @param unfinished That other name, in the same directory.
 * @param sync Whether it is to survive a loss of power; the directory is the caller's to sync.
 */
export async function writeMemoryFile(
  path: string,
  unfinished: string,
  content: MemoryContent,
  sync: boolean,
): Promise<void> {
  const { index, pages } = content
  // In a millisecond: a quarter of a megabyte, mostly of zeros.
  const devices = await deflate(content.devices, { level: deflateLevel })
  const header: MemoryHeader = {
    ...content.header,
    pages: index.pages.length,
    stored: pages.length,
    devicesBytes: devices.length,
    compressed: false,
  }
  await replacing(path, unfinished, sync, async (append) => {
    await append([encodeHeader(header), encodeIndex(index), devices])
    for (let at = 0; at < pages.length; at += chunkPages) {
      const some = pages.slice(at, at + chunkPages)
      await append([lengthBytes(some.length * pageBytes), ...some])
    }
  })
}

/** Replaces a memory's file by one that holds the same and takes less room, if it does. Who has the old one open keeps it. */
export async function compressMemoryFile(
  path: string,
  unfinished: string,
  sync: boolean,
  cancelled?: AbortSignal,
): Promise<void> {
  const memory = await MemoryFile.open(path)
  try {
    if (memory.header.compressed) return
    // What is wrong with it must not get a checksum that fits.
    await memory.verify()
    await replacing(path, unfinished, sync, async (append) => {
      const header = { ...memory.header, compressed: true }
      await append([encodeHeader(header), encodeIndex(memory.index), await memory.deflatedDevices()])
      for await (const content of memory.chunks()) {
        cancelled?.throwIfAborted()
        const deflated = await deflate(content, { level: deflateLevel })
        const stored = deflated.length < content.length ? deflated : content
        await append([lengthBytes(stored.length), stored])
      }
    })
  } finally {
    await memory.close()
  }
}

async function inflated(bytes: Buffer, most: number): Promise<Buffer> {
  try {
    return await inflate(bytes, { maxOutputLength: most })
  } catch (error) {
    throw new MalformedMemoryError("one of its parts cannot be inflated", { cause: error })
  }
}

type Append = (parts: readonly Uint8Array[]) => Promise<void>

async function replacing(
  path: string,
  unfinished: string,
  sync: boolean,
  write: (append: Append) => Promise<void>,
): Promise<void> {
  try {
    const file = await open(unfinished, "w", 0o600)
    try {
      const hash = createHash("sha256")
      await write(async (parts) => {
        for (const part of parts) hash.update(part)
        await writeAll(file, parts)
      })
      await writeAll(file, [hash.digest()])
      if (sync) await file.sync()
    } finally {
      await file.close()
    }
    await rename(unfinished, path)
  } catch (error) {
    await rm(unfinished, { force: true })
    throw error
  }
}

/** A full disk may take a part only. */
async function writeAll(file: FileHandle, parts: readonly Uint8Array[]): Promise<void> {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  const { bytesWritten } = await file.writev(parts)
  if (bytesWritten === length) return
  const rest = Buffer.concat(parts).subarray(bytesWritten)
  await file.writeFile(rest)
}

function lengthBytes(length: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(length)
  return bytes
}

async function readHeader(file: FileHandle): Promise<{ fields: MemoryHeader; length: number }> {
  const length = headerLength(await readAt(file, 0, prefixBytes))
  return { fields: parseHeader(await readAt(file, prefixBytes, length)), length }
}

/** Its lengths were checked by who asks. @throws MalformedMemoryError when there is not so much. */
async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length)
  for (let at = 0; at < length;) {
    const { bytesRead } = await file.read(bytes, at, length - at, position + at)
    if (bytesRead === 0) throw new MalformedMemoryError("it is cut off")
    at += bytesRead
  }
  return bytes
}
