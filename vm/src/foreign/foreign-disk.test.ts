import { copyFile, mkdtemp, open, readdir, rm, stat, symlink, truncate } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { execa } from "execa"
import { afterAll, beforeAll, expect, test, vi } from "vitest"
import { copyForeignDisk } from "./foreign-disk.js"
import { ForeignFileError } from "./foreign-file-error.js"

const MiB = 1024 * 1024
const diskBytes = 64 * MiB
const backing = "image/blank.qcow2"

let directory: string
const inDirectory = (name: string) => join(directory, name)

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "foreign-disk-"))
  await qemuImg("create", "-q", "-f", "qcow2", inDirectory("blank"), `${diskBytes}`)
  await write("blank", "write -P 1 0 1M")
  await make("honest")
  await write("honest", "write -P 2 512k 1M", "write -P 3 32M 16k", "write -z 0 64k")
})

afterAll(() => rm(directory, { recursive: true }))

async function qemuImg(...args: string[]): Promise<string> {
  return (await execa("qemu-img", args, { cwd: directory })).stdout
}

async function write(name: string, ...commands: string[]): Promise<void> {
  const node = { driver: "qcow2", backing: null, file: { driver: "file", filename: inDirectory(name) } }
  await execa("qemu-io", [...commands.flatMap((command) => ["-c", command]), `json:${JSON.stringify(node)}`])
}

/** A disk file as an archive holds it, but for what the test wants otherwise. */
async function make(name: string, options: string[] = ["-b", backing, "-F", "qcow2"]): Promise<void> {
  await qemuImg("create", "-q", "-u", "-f", "qcow2", ...options, inDirectory(name), `${diskBytes}`)
}

function copy(name: string, target = `${name}.copy`): Promise<void> {
  const base = { path: inDirectory("blank"), name: "../blank" }
  return copyForeignDisk({ path: inDirectory(name), diskBytes, backing, target: inDirectory(target), base })
}

/** A copy of the honest file with a number of its header changed. */
async function forge(name: string, at: number, bytes: Buffer): Promise<void> {
  await copyFile(inDirectory("honest"), inDirectory(name))
  const file = await open(inDirectory(name), "r+")
  await file.write(bytes, 0, bytes.length, at)
  await file.close()
}

const uint32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

const uint64 = (value: bigint) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(value)
  return bytes
}

test("copies the content and only that, on to the blank disk", async () => {
  await copy("honest")
  const node = (name: string, below: object | null) => ({
    driver: "qcow2",
    backing: below,
    file: { driver: "file", filename: inDirectory(name) },
  })
  const original = `json:${JSON.stringify(node("honest", node("blank", null)))}`
  const copied = `json:${JSON.stringify(node("honest.copy", node("blank", null)))}`
  await qemuImg("compare", original, copied)
  expect(JSON.parse(await qemuImg("info", "--output=json", "honest.copy"))).toMatchObject({
    "backing-filename": "../blank",
    "backing-filename-format": "qcow2",
    "cluster-size": 16384,
    "virtual-size": diskBytes,
  })
  // The blank disk's first half megabyte is not in it.
  expect((await stat(inDirectory("honest.copy"))).size).toBeLessThan(1.5 * MiB)
})

test("copies a disk that rests on nothing", async () => {
  const [path, target] = [inDirectory("blank"), inDirectory("blank.copy")]
  await copyForeignDisk({ path, diskBytes, backing: null, target })
  await qemuImg("compare", "blank", "blank.copy")
})

test.each([
  ["is no qcow2", 0, Buffer.from("#!/b")],
  ["is of version 2", 4, uint32(2)],
  ["has clusters of 256 bytes", 20, uint32(8)],
  ["has clusters of 4 MiB", 20, uint32(22)],
  ["has another size", 24, uint64(BigInt(diskBytes) + 512n)],
  ["has a size beyond all numbers", 24, uint64(2n ** 63n)],
  ["is encrypted", 32, uint32(2)],
  ["has a huge first-level table", 36, uint32(2 ** 22)],
  ["has no first-level table", 36, uint32(0)],
  ["has its first-level table far outside", 40, uint64(2n ** 55n)],
  ["has its refcount table far outside", 48, uint64(2n ** 55n)],
  ["has a huge refcount table", 56, uint32(2 ** 31)],
  ["has internal snapshots", 60, uint32(1)],
  ["is dirty", 72, uint64(1n)],
  ["is marked as corrupt", 72, uint64(2n)],
  ["has an external data file", 72, uint64(4n)],
  ["has another compression", 72, uint64(8n)],
  ["has extended second-level entries", 72, uint64(16n)],
  ["has an unknown feature", 72, uint64(2n ** 63n)],
  ["has lazy refcounts", 80, uint64(1n)],
  ["has bitmaps", 88, uint64(1n)],
  ["has refcounts of one bit", 96, uint32(0)],
  ["has a header of a gigabyte", 100, uint32(2 ** 30)],
  ["has a header without extensions' room", 100, uint32(4)],
  ["has zstd clusters", 104, Buffer.from([1])],
  ["names an external data file", 112, uint32(0x44415441)],
  ["has an extension without end", 116, uint32(0xffffffff)],
  ["rests on a raw file", 120, Buffer.from("raw\0\0")],
  ["has its backing name outside", 8, uint64(2n ** 40n)],
  ["has a backing name without end", 16, uint32(0xffffffff)],
  ["rests on nothing", 8, uint64(0n)],
])("refuses a file that %s", async (_, at, bytes) => {
  await forge("forged", at, bytes)
  await expect(copy("forged")).rejects.toThrow(ForeignFileError)
  expect(await readdir(directory)).not.toContain("forged.copy")
})

test.each([
  ["a file of the host", ["-b", "/etc/passwd", "-F", "raw"]],
  ["a file of the host as qcow2", ["-b", "/etc/passwd", "-F", "qcow2"]],
  ["a whole block graph", ["-b", 'json:{"driver":"nbd","host":"127.0.0.1"}', "-F", "qcow2"]],
  ["another file beside it", ["-b", "image/../blank", "-F", "qcow2"]],
  ["an external data file", ["-o", "data_file=data,data_file_raw=on"]],
])("refuses a file that names %s, without opening it", async (_, options) => {
  await make("forged", options)
  await expect(copy("forged")).rejects.toThrow(ForeignFileError)
})

test("refuses damaged tables", async () => {
  const { length } = await openBytes("honest")
  // The first second-level table is where the first entry of the first-level table says.
  const table = Number((await openBytes("honest")).readBigUInt64BE(0x30000) & 0x00fffffffffffe00n)
  for (const entry of [BigInt(length) * 4n, 0x10000n, 3n << 61n]) {
    await forge("forged", table + 8 * 8, uint64(entry))
    await expect(copy("forged")).rejects.toThrow(ForeignFileError)
  }
  await forge("forged", 0x10000, uint64(0n))
  await expect(copy("forged")).rejects.toThrow(ForeignFileError)
})

test("refuses a cluster that stands for many", async () => {
  const table = Number((await openBytes("honest")).readBigUInt64BE(0x30000) & 0x00fffffffffffe00n)
  const entry = Buffer.from((await openBytes("honest")).subarray(table + 8 * 8, table + 8 * 8 + 8))
  // Without the mark of a single use; `qemu-img check -r` then makes the reference counts right.
  entry[0] = 0
  await forge("forged", table, Buffer.concat(Array.from({ length: 600 }, () => entry)))
  const node = { driver: "qcow2", backing: null, file: { driver: "file", filename: inDirectory("forged") } }
  await execa("qemu-img", ["check", "-q", "-r", "all", `json:${JSON.stringify(node)}`], { reject: false })
  await expect(copy("forged")).rejects.toThrow("it claims to hold more than its length")
})

test("refuses compressed clusters", async () => {
  await qemuImg("convert", "-c", "-O", "qcow2", "blank", "packed")
  await qemuImg("rebase", "-u", "-b", backing, "-F", "qcow2", "packed")
  await expect(copy("packed")).rejects.toThrow("its tables are damaged")
})

test("refuses a file that is cut off, or shorter than a header", async () => {
  await copyFile(inDirectory("honest"), inDirectory("cut"))
  const { size } = await stat(inDirectory("cut"))
  for (const length of [size - 512 * 1024, 0x30000, 200, 111, 3, 0]) {
    await truncate(inDirectory("cut"), length)
    await expect(copy("cut")).rejects.toThrow(ForeignFileError)
  }
})

test("does not blame the file for a host that lacks a program", async () => {
  vi.stubEnv("PATH", "")
  await expect(copy("honest")).rejects.not.toThrow(ForeignFileError)
  vi.stubEnv("PATH", directory)
  for (const program of ["nice", "prlimit"]) await symlink(`/usr/bin/${program}`, inDirectory(program))
  await expect(copy("honest")).rejects.not.toThrow(ForeignFileError)
  vi.unstubAllEnvs()
})

async function openBytes(name: string): Promise<Buffer> {
  const file = await open(inDirectory(name), "r")
  const bytes = await file.readFile()
  await file.close()
  return bytes
}
