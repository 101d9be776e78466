import { bytesOf, encoded, textOf } from "../tar/bytes.js"
import { blockBytes, paddingOf, type TarEntry } from "../tar/entry.js"
import { headerOf } from "../tar/header.js"
import { failedWith, type LocalFile, type LocalFiles, type LocalStats } from "./local-files.js"
import type { Meter } from "./progress.js"

/** Bytes of an archive that are given at a time. */
const pieceBytes = 64 * 1024

/** So many files with several names are remembered, to be linked when they come again. */
const maxLinked = 100_000

/**
 * What is in a directory as a tar archive, however much that is. Left out are sockets, pipes and devices. What changes
 * meanwhile is in it with the length that it had first.
 */
export function archiveOf(files: LocalFiles, directory: string, meter: Meter): ReadableStream<Uint8Array> {
  const pieces = inPieces(new Packer(files, meter).archive(encoded(directory)))
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await pieces.next()
        if (done === true) controller.close()
        else controller.enqueue(value)
      },
      async cancel() {
        await pieces.return(undefined)
      },
    },
    { highWaterMark: 0 },
  )
}

class Packer {
  readonly #files: LocalFiles
  readonly #meter: Meter
  /** The first path of each file that has several. */
  readonly #linked = new Map<string, string>()

  constructor(files: LocalFiles, meter: Meter) {
    this.#files = files
    this.#meter = meter
  }

  async *archive(root: string): AsyncGenerator<Uint8Array, void, undefined> {
    yield* this.#inside(root, "")
    yield new Uint8Array(2 * blockBytes)
  }

  /** @param below The directory's path in the archive: "", or with a slash at its end. */
  async *#inside(directory: string, below: string): AsyncGenerator<Uint8Array, void, undefined> {
    for (const bytes of await this.#files.readdir(bytesOf(directory), { encoding: "buffer" })) {
      const name = textOf(bytes)
      const [source, path] = [`${directory}/${name}`, below + name]
      const stats = await this.#files.lstat(bytesOf(source)).catch(unlessGone)
      if (stats === undefined) continue
      if (stats.isDirectory()) {
        yield this.#header(path, "directory", stats)
        yield* this.#inside(source, `${path}/`)
      } else if (stats.isSymbolicLink()) {
        const target = await this.#files.readlink(bytesOf(source), { encoding: "buffer" })
        yield this.#header(path, "symlink", stats, { target: textOf(target) })
      } else if (stats.isFile()) {
        yield* this.#file(source, path, stats)
      }
    }
  }

  async *#file(source: string, path: string, stats: LocalStats): AsyncGenerator<Uint8Array, void, undefined> {
    if (stats.nlink > 1) {
      const number = `${stats.dev} ${stats.ino}`
      const first = this.#linked.get(number)
      if (first !== undefined) {
        yield this.#header(path, "hardlink", stats, { target: first })
        return
      }
      if (this.#linked.size < maxLinked) this.#linked.set(number, path)
    }
    const file = await this.#files.open(bytesOf(source), "r").catch(unlessGone)
    if (file === undefined) return
    try {
      const { size } = await file.stat()
      yield this.#header(path, "file", stats, { size })
      yield* this.#content(file, size)
      yield new Uint8Array(paddingOf(size))
    } finally {
      await file.close()
    }
  }

  /** So many bytes of a file, zeros where it has become shorter. */
  async *#content(file: LocalFile, size: number): AsyncGenerator<Uint8Array, void, undefined> {
    for (let left = size; left > 0;) {
      const piece = new Uint8Array(Math.min(left, pieceBytes))
      const { bytesRead } = await file.read(piece, 0, piece.length)
      const length = bytesRead === 0 ? piece.length : bytesRead
      this.#meter.add(0, length)
      yield piece.subarray(0, length)
      left -= length
    }
  }

  #header(
    path: string,
    type: TarEntry["type"],
    { mode, mtimeMs }: LocalStats,
    { size = 0, target = "" }: Partial<TarEntry> = {},
  ): Uint8Array {
    this.#meter.add(1, 0)
    return headerOf({ path, type, mode: mode & 0o7777, size, mtime: mtimeMs / 1000, target })
  }
}

/** Nothing, where something was removed between the look at it and its use. */
function unlessGone(error: unknown): undefined {
  if (!failedWith(error, "ENOENT")) throw error
}

/** The same bytes in pieces of one size. */
async function* inPieces(
  parts: AsyncGenerator<Uint8Array, void, undefined>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let piece = new Uint8Array(pieceBytes)
  let filled = 0
  for await (const part of parts) {
    for (let at = 0; at < part.length;) {
      const some = part.subarray(at, at + pieceBytes - filled)
      piece.set(some, filled)
      filled += some.length
      at += some.length
      if (filled < pieceBytes) continue
      yield piece
      piece = new Uint8Array(pieceBytes)
      filled = 0
    }
  }
  if (filled > 0) yield piece.subarray(0, filled)
}
