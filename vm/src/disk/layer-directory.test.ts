import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { execa } from "execa"
import { afterEach, beforeEach, expect, test } from "vitest"
import type { Image } from "../image.js"
import { LayerDirectory } from "./layer-directory.js"
import { newLayerId } from "./layer.js"

let directory: string
let layers: LayerDirectory
let image: Image

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "layers-"))
  layers = new LayerDirectory(directory, "process")
  const blankDisk = join(directory, "blank.img")
  await execa("qemu-img", ["create", "-q", "-f", "qcow2", blankDisk, "64M"])
  image = { key: "k", kernel: "", initramfs: "", base: "", blankDisk, diskBytes: 64 * 1024 * 1024 }
})

afterEach(() => rm(directory, { recursive: true }))

test("writes what a layer rests on into its file, so that the chain can be followed without the database", async () => {
  const [bottom, top] = [newLayerId(), newLayerId()]
  await layers.create(bottom, null, image)
  await layers.create(top, bottom, image)
  const { stdout } = await execa("qemu-img", ["info", "--backing-chain", "--output=json", layers.path(top)])
  const chain = JSON.parse(stdout) as { filename: string; "virtual-size": number; "cluster-size": number }[]
  expect(chain.map((link) => link.filename)).toEqual([layers.path(top), layers.path(bottom), image.blankDisk])
  expect(chain[0]).toMatchObject({ "virtual-size": image.diskBytes, "cluster-size": 16 * 1024 })
})

test("tells a layer that was written to from one that was not", async () => {
  const [bottom, top] = [newLayerId(), newLayerId()]
  await layers.create(bottom, null, image)
  await execa("qemu-io", ["-c", "write -P 1 0 4k", layers.path(bottom)])
  await layers.create(top, bottom, image)
  expect(await layers.holdsData(bottom, image)).toBe(true)
  expect(await layers.holdsData(top, image)).toBe(false)
})

test("shows no layer whose making was cut short, and sweeps it up", async () => {
  const layer = newLayerId()
  const cutShort = `${layers.path(layer)}.unfinished`
  await writeFile(cutShort, "")
  expect(await layers.list()).toEqual([])
  await layers.removeUnfinished()
  expect((await readdir(directory)).filter((name) => name.startsWith(layer))).toEqual([])
})

test("lists its layers and nothing else, and removes a layer that may be gone", async () => {
  const layer = newLayerId()
  await layers.create(layer, null, image)
  await writeFile(join(directory, "notes.qcow2"), "")
  expect(await layers.list()).toEqual([layer])
  await layers.remove(layer)
  await layers.remove(layer)
  expect(await layers.list()).toEqual([])
})
