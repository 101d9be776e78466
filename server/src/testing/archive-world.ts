import { execFile, spawnSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join, relative } from "node:path"
import { promisify } from "node:util"
import { ImageShelf, writePortableDisk, type Image } from "@opensandbox/vm"
import { pino } from "pino"
import { exportArchive, type ExportRequest } from "../archive/export-archive.js"
import { importArchive, type ImportedSandbox, type ImportMeans } from "../archive/import-archive.js"
import { Scratch } from "../archive/scratch.js"

const execute = promisify(execFile)

const mebibyte = 1024 * 1024

/** As large as the disks of these tests are for their guests. */
export const testDiskBytes = 16 * mebibyte

const log = pino({ level: "silent" })

/** A server's images and scratch directory, without the server. The image boots nothing, but is one in form. */
export class ArchiveWorld {
  readonly directory: string
  readonly shelf: ImageShelf
  readonly scratch: Scratch
  readonly image: Image

  private constructor(directory: string, shelf: ImageShelf, scratch: Scratch, image: Image) {
    this.directory = directory
    this.shelf = shelf
    this.scratch = scratch
    this.image = image
  }

  /** @param base The content of the image's base. */
  static async make(key: string, base = randomBytes(mebibyte)): Promise<ArchiveWorld> {
    const directory = await mkdtemp(join(tmpdir(), "archive-"))
    const built = join(directory, "built")
    await mkdir(built)
    await writeFile(join(built, "vmlinuz"), `${"\0".repeat(0x202)}HdrS`)
    await writeFile(join(built, "initramfs"), "init")
    await writeFile(join(built, "base.raw"), base)
    const blank = join(built, "blank.qcow2")
    await execute("qemu-img", ["create", "-q", "-f", "qcow2", blank, `${testDiskBytes}`])
    await execute("qemu-io", ["-c", "write -P 1 0 1M", blank])
    await writeFile(join(built, "image.json"), JSON.stringify({ key, kernel: "6", diskBytes: testDiskBytes }))
    const shelf = new ImageShelf(join(directory, "images"))
    const image = await shelf.add(built)
    return new ArchiveWorld(directory, shelf, await Scratch.open(join(directory, "scratch")), image)
  }

  async dispose(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true })
  }

  path(name: string): string {
    return join(this.directory, name)
  }

  /** What is left of exports and imports that are done. */
  leftovers(): Promise<string[]> {
    return readdir(this.path("scratch"))
  }

  /** Makes a disk on the image's blank disk, with some noise on it (a megabyte, if not said otherwise). */
  async makeDisk(name: string, noiseBytes = mebibyte): Promise<string> {
    await writeFile(this.path(`${name}.noise`), randomBytes(noiseBytes))
    const [layer, disk] = [this.path(`${name}.layer`), this.path(name)]
    await execute("qemu-img", [
      "create",
      "-q",
      "-f",
      "qcow2",
      "-b",
      this.image.blankDisk,
      "-F",
      "qcow2",
      layer,
    ])
    await execute("qemu-io", ["-c", `write -s ${this.path(`${name}.noise`)} 2M ${noiseBytes}`, layer])
    await writePortableDisk(layer, this.image, disk)
    return disk
  }

  /** Exports a disk as a snapshot with a command. */
  export(disk: string, wishes: Partial<ExportRequest> = {}): Promise<ReadableStream<Uint8Array>> {
    return exportArchive(
      {
        sandbox: { name: "box", created_at: "2026-01-01T00:00:00.000Z" },
        snapshot: {
          name: "cmd_1767225600000",
          label: "release-1",
          command: 'make \u0001 "it"\n',
          exit_code: 2,
          duration_ms: 12,
          created_at: "2026-01-02T00:00:00.000Z",
        },
        image: this.image,
        includeImage: true,
        disk,
        release: () => Promise.resolve(),
        ...wishes,
      },
      { shelf: this.shelf, log },
    )
  }

  import(
    archive: ReadableStream<Uint8Array> | Uint8Array,
    means: Partial<ImportMeans> = {},
  ): Promise<ImportedSandbox> {
    return importArchive(archive instanceof ReadableStream ? archive : streamOf(archive), {
      shelf: this.shelf,
      scratch: this.scratch,
      maxDiskBytes: testDiskBytes,
      nameOfBlankDisk: ({ blankDisk }) => relative(this.path("layers"), blankDisk),
      log,
      ...means,
    })
  }

  /** Whether a disk that was imported, on its image, has the content of one that was exported. */
  async same(imported: ImportedSandbox, exported: string): Promise<boolean> {
    const theirs = asNode(imported.disk, imported.image.blankDisk)
    const compare = execute("qemu-img", ["compare", theirs, asNode(exported, this.image.blankDisk)])
    return compare.then(
      () => true,
      () => false,
    )
  }
}

function asNode(path: string, blankDisk: string): string {
  const file = (filename: string) => ({ driver: "file", filename })
  const backing = { driver: "qcow2", backing: null, file: file(blankDisk) }
  return `json:${JSON.stringify({ driver: "qcow2", backing, file: file(path) })}`
}

/** The bytes in pieces, as a network brings them. */
export function streamOf(bytes: Uint8Array, pieceBytes = 50_000): ReadableStream<Uint8Array> {
  let at = 0
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) controller.close()
      else controller.enqueue(bytes.slice(at, (at += pieceBytes)))
    },
  })
}

export async function bytesOf(stream: ReadableStream<Uint8Array>): Promise<Buffer> {
  return Buffer.from(await new Response(stream).arrayBuffer())
}

/** What zstd makes of bytes. */
export function zstd(bytes: Buffer, ...args: string[]): Buffer {
  const { status, stdout } = spawnSync("zstd", ["-q", "-c", ...args], { input: bytes, maxBuffer: 2 ** 30 })
  if (status !== 0) throw new Error("zstd failed")
  return stdout
}

/** The numbers of this process's children that are zstd. */
export async function zstdProcesses(): Promise<string[]> {
  const children = await readFile(`/proc/self/task/${process.pid}/children`, "utf8")
  const names = children
    .split(" ")
    .filter((pid) => pid !== "")
    .map(async (pid) => [pid, await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "")] as const)
  return (await Promise.all(names)).filter(([, name]) => name.trim() === "zstd").map(([pid]) => pid)
}
