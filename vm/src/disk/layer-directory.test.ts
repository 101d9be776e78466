import { copyFile, mkdtemp, readdir, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { execa } from "execa"
import fc from "fast-check"
import { afterEach, beforeEach, expect, test } from "vitest"
import type { Image } from "../image.js"
import { LayerDirectory } from "./layer-directory.js"
import { newLayerId, type LayerId } from "./layer.js"

let directory: string
let layers: LayerDirectory
let image: Image

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "layers-"))
  layers = new LayerDirectory(directory, "process")
  const blankDisk = join(directory, "blank.img")
  await execa("qemu-img", ["create", "-q", "-f", "qcow2", blankDisk, "64M"])
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

test("counts what a layer still shows of those below", async () => {
  const [first, hidden, second, top] = [newLayerId(), newLayerId(), newLayerId(), newLayerId()]
  const writes = new Map([
    [first, ["write 0 1M"]],
    [hidden, ["write 512k 64k"]],
    [second, ["discard 256k 128k", "write 512k 128k"]],
    [top, ["write -z 0 64k"]],
  ])
  let below: LayerId | null = null
  for (const [layer, commands] of writes) {
    await layers.create(layer, below, image)
    const each = commands.flatMap((command) => ["-c", command])
    await execa("qemu-io", ["-d", "unmap", ...each, layers.path(layer)])
    below = layer
  }
  const shown = await layers.shownBytes(top, new AbortController().signal)
  expect(shown).toEqual(
    new Map([
      [first, (1024 - 64 - 128 - 128) * 1024],
      [second, 128 * 1024],
    ]),
  )
})

/** What is done to each of a few places of a layer: 0 is nothing, 1 zeros, 2 a discard, others are bytes to write. */
const changes = fc.array(fc.constantFrom(0, 0, 0, 1, 2, 3, 4), { minLength: 8, maxLength: 8 })

test("a layer that was written anew reads the same on its new base and on the layers that it had been on", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(changes, { minLength: 3, maxLength: 4 }),
      fc.boolean(),
      async (contents, onBlank) => {
        const chain = await writeChain(contents)
        const [base, top] = [onBlank ? null : (chain[0] ?? null), chain.at(-1) ?? ""]
        const before = join(directory, "before.qcow2")
        await copyFile(layers.path(top), before)
        const rewriting = await layers.rewrite(top, base, image, new AbortController().signal)
        await rewriting.replace()
        expect(await layers.fingerprint(top)).toMatchObject({ checksum: rewriting.fingerprint.checksum })
        for (const after of [layers.path(top), onLayers(chain)]) {
          await execa("qemu-img", ["compare", "-q", before, after])
        }
      },
    ),
    { numRuns: 12 },
  ))

/** Makes layers on top of each other, the first on the blank disk. */
async function writeChain(contents: number[][]): Promise<LayerId[]> {
  const chain: LayerId[] = []
  for (const content of contents) {
    const layer = newLayerId()
    await layers.create(layer, chain.at(-1) ?? null, image)
    // Places are neither as large as clusters nor in step with them.
    const commands = content.flatMap((change, at) => {
      const place = `${at * 40}k 40k`
      if (change === 0) return []
      return ["-c", [`write -z ${place}`, `discard ${place}`][change - 1] ?? `write -P ${change} ${place}`]
    })
    if (commands.length > 0) await execa("qemu-io", ["-d", "unmap", ...commands, layers.path(layer)])
    chain.push(layer)
  }
  return chain
}

/** A chain as a machine opens it, that does not ask the files what they rest on. */
function onLayers(chain: readonly LayerId[]): string {
  const file = (filename: string) => ({ driver: "qcow2", file: { driver: "file", filename } })
  const bottom: object = { ...file(image.blankDisk), backing: null }
  const opened = chain.reduce((backing, layer) => ({ ...file(layers.path(layer)), backing }), bottom)
  return `json:${JSON.stringify(opened)}`
}
