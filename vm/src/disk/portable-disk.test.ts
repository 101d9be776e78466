import { mkdir, mkdtemp, rename, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { execa } from "execa"
import { afterEach, beforeEach, expect, test } from "vitest"
import { copyForeignDisk } from "../foreign/foreign-disk.js"
import type { Image } from "../image.js"
import { newLayerId } from "./layer.js"
import { LayerDirectory } from "./layer-directory.js"
import { portableBacking, writePortableDisk } from "./portable-disk.js"

let directory: string
let layers: LayerDirectory
let image: Image

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "portable-"))
  await mkdir(join(directory, "layers"))
  layers = new LayerDirectory(join(directory, "layers"), "process")
  const blankDisk = join(directory, "blank.qcow2")
  await execa("qemu-img", ["create", "-q", "-f", "qcow2", blankDisk, "64M"])
  await execa("qemu-io", ["-c", "write -P 1 0 8M", blankDisk])
  image = {
    key: "k",
    kernel: "",
    initramfs: "",
    base: "",
    blankDisk,
    blankBytes: 64 * 1024 * 1024,
    diskBytes: 64 * 1024 * 1024,
  }
})

afterEach(() => rm(directory, { recursive: true }))

/** Puts a portable disk where an archive that was unpacked by hand would have it. */
async function unpack(disk: string): Promise<void> {
  const blankDisk = join(dirname(disk), portableBacking)
  await mkdir(dirname(blankDisk))
  await rename(image.blankDisk, blankDisk)
}

test("gathers what all layers of a chain changed, zeros included", async () => {
  const chain = [newLayerId(), newLayerId(), newLayerId()]
  const writes = ["write -P 2 1M 4M", "write -z 2M 1M", "write -P 3 40M 16k"]
  for (const [depth, layer] of chain.entries()) {
    await layers.create(layer, chain[depth - 1] ?? null, image)
    await execa("qemu-io", ["-c", writes[depth] ?? "", layers.path(layer)])
  }
  const disk = join(directory, "disk.qcow2")
  await writePortableDisk(layers.path(chain[2] ?? ""), image, disk)
  const plain = join(directory, "plain.raw")
  await execa("qemu-img", ["convert", "-O", "raw", layers.path(chain[2] ?? ""), plain])

  await unpack(disk)
  await execa("qemu-img", ["compare", "-f", "qcow2", "-F", "raw", disk, plain])
  const blankDisk = join(directory, portableBacking)
  await copyForeignDisk({
    path: disk,
    diskBytes: image.diskBytes,
    backing: portableBacking,
    base: { path: blankDisk, name: portableBacking },
    target: join(directory, "again.qcow2"),
  })
  await execa("qemu-img", ["compare", "-f", "qcow2", "-F", "raw", join(directory, "again.qcow2"), plain])
})

test("makes an empty disk of no layers", async () => {
  const disk = join(directory, "disk.qcow2")
  await writePortableDisk(image.blankDisk, image, disk)
  const { stdout } = await execa("qemu-img", ["map", "--output=json", disk], { reject: false })
  expect(stdout).toBe("")
  await unpack(disk)
  await execa("qemu-img", ["compare", disk, join(directory, portableBacking)])
})
