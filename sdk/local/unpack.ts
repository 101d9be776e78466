import { bytesOf, decoded, encoded } from "../tar/bytes.js"
import type { TarEntry } from "../tar/entry.js"
import { BadArchive, type TarReader } from "../tar/reader.js"
import { failedWith, isWindows, type LocalFiles, type LocalStats } from "./local-files.js"
import type { Meter } from "./progress.js"

/** The permission bits that a guest may set: none that would run a program as somebody else. */
const permissions = 0o777

/**
 * Makes in a directory, which is made if it is missing, what an archive holds: files, directories and links with their
 * permissions and times. It takes the place of what is there by the same name, but not that of a directory that is there.
 * The archive comes from a guest and is not trusted: nothing outside the directory is touched. No name may be absolute or
 * hold `..`, no link is followed on the way to one, and what belongs to whom is not the archive's to say.
 *
 * @throws BadArchive, what the archive's stream fails with, and what the file system fails with
 */
export async function unpackInto(
  files: LocalFiles,
  directory: string,
  archive: TarReader,
  meter: Meter,
): Promise<void> {
  await files.mkdir(bytesOf(encoded(directory)), { recursive: true })
  await new Unpacker(files, encoded(directory), archive, meter).all()
}

class Unpacker {
  readonly #files: LocalFiles
  readonly #root: string
  readonly #archive: TarReader
  readonly #meter: Meter
  /** The directories that the archive is in: each gets its permissions and times once it is left. */
  #entered: TarEntry[] = []
  /** A directory that is known to be one, as are those above it. */
  #parent = ""

  constructor(files: LocalFiles, root: string, archive: TarReader, meter: Meter) {
    this.#files = files
    this.#root = root
    this.#archive = archive
    this.#meter = meter
  }

  async all(): Promise<void> {
    for (let entry = await this.#archive.next(); entry !== undefined; entry = await this.#archive.next()) {
      const path = inside(entry.path)
      if (path === "") continue
      await this.#leave(path)
      await this.#enter(above(path))
      await this.#make({ ...entry, path })
      this.#meter.add(1, 0)
    }
    await this.#leave("")
  }

  async #make(entry: TarEntry): Promise<void> {
    const at = this.#at(entry.path)
    switch (entry.type) {
      case "directory":
        await this.#replacing(entry.path, "directory", () => this.#files.mkdir(at, { mode: 0o700 }))
        this.#entered.push(entry)
        break
      case "symlink":
        await this.#replacing(entry.path, "file", () => this.#files.symlink(bytesOf(entry.target), at))
        await this.#files.lutimes(at, entry.mtime, entry.mtime)
        break
      case "hardlink":
        await this.#link(inside(entry.target), entry.path)
        break
      case "file":
        await this.#write(entry)
    }
  }

  async #write(entry: TarEntry): Promise<void> {
    const at = this.#at(entry.path)
    const file = await this.#replacing(entry.path, "file", () => this.#files.open(at, "wx", 0o600))
    if (file === undefined) return
    let whole = false
    try {
      for (let piece = await this.#archive.read(); piece !== undefined; piece = await this.#archive.read()) {
        for (let rest = piece; rest.length > 0;) rest = rest.subarray((await file.write(rest)).bytesWritten)
        this.#meter.add(0, piece.length)
      }
      await file.chmod(entry.mode & permissions)
      await file.utimes(entry.mtime, entry.mtime)
      whole = true
    } finally {
      await file.close()
      if (!whole) await this.#files.unlink(at).catch(() => undefined)
    }
  }

  async #link(target: string, path: string): Promise<void> {
    await this.#enter(above(target))
    const stats = await this.#stats(target)
    if (stats?.isFile() !== true)
      throw new BadArchive(`"${decoded(path)}" links to what is no file that came before`)
    await this.#replacing(path, "file", () => this.#files.link(this.#at(target), this.#at(path)))
    await this.#enter(above(path))
  }

  /** Makes an entry, in the place of another one that is no directory; a directory may be there already. */
  async #replacing<T>(
    path: string,
    type: "file" | "directory",
    make: () => Promise<T>,
  ): Promise<T | undefined> {
    try {
      return await make()
    } catch (error) {
      if (!failedWith(error, "EEXIST")) throw error
    }
    if ((await this.#stats(path))?.isDirectory() === true) {
      if (type === "directory") return undefined
      throw new BadArchive(`a directory stands in the place of "${decoded(path)}"`)
    }
    await this.#files.unlink(this.#at(path))
    return make()
  }

  /** Makes sure that a path leads to a directory, through nothing but directories. */
  async #enter(path: string): Promise<void> {
    if (path === this.#parent || path === "") return
    await this.#enter(above(path))
    const stats = await this.#stats(path)
    if (stats === undefined) await this.#files.mkdir(this.#at(path), {})
    else if (!stats.isDirectory())
      throw new BadArchive(`"${decoded(path)}" is no directory, and something shall be in it`)
    this.#parent = path
  }

  /** Gives the directories that a path is not in their permissions and times: nothing changes in them any more. */
  async #leave(path: string): Promise<void> {
    for (let last = this.#entered.at(-1); last !== undefined; last = this.#entered.at(-1)) {
      if (path.startsWith(`${last.path}/`)) return
      this.#entered.pop()
      await this.#files.chmod(this.#at(last.path), last.mode & permissions)
      await this.#files.utimes(this.#at(last.path), last.mtime, last.mtime)
    }
  }

  async #stats(path: string): Promise<LocalStats | undefined> {
    return this.#files.lstat(this.#at(path)).catch((error: unknown) => {
      if (!failedWith(error, "ENOENT")) throw error
      return undefined
    })
  }

  #at(path: string): Uint8Array {
    return bytesOf(`${this.#root}/${path}`)
  }
}

/** A path without what means nothing; "" is the directory itself. @throws BadArchive when it would lead out of it */
function inside(path: string): string {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".")
  const hostile =
    path.startsWith("/") || path.includes("\0") || parts.includes("..") || (isWindows() && /[\\:]/.test(path))
  if (hostile) throw new BadArchive(`"${decoded(path)}" is no path below the directory`)
  return parts.join("/")
}

const above = (path: string) => path.slice(0, Math.max(0, path.lastIndexOf("/")))
