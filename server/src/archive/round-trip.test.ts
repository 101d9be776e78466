import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdir, readFile, rename, writeFile } from "node:fs/promises"
import { promisify } from "node:util"
import { writePortableDisk } from "@opensandbox/vm"
import { afterAll, beforeAll, expect, test } from "vitest"
import { ArchiveWorld, bytesOf, testDiskBytes } from "../testing/archive-world.js"
import type { Manifest } from "./manifest.js"

const execute = promisify(execFile)

let here: ArchiveWorld
let elsewhere: ArchiveWorld
let disk: string

beforeAll(async () => {
  here = await ArchiveWorld.make("aa")
  elsewhere = await ArchiveWorld.make("bb")
  disk = await here.makeDisk("disk")
})

afterAll(async () => {
  await here.dispose()
  await elsewhere.dispose()
})

test("what goes to a server with the same image rests on that image", async () => {
  const imported = await here.import(await here.export(disk))
  expect(imported.image).toEqual(here.image)
  expect(await here.same(imported, disk)).toBe(true)
  expect(imported.manifest).toMatchObject({
    sandbox: { name: "box", created_at: "2026-01-01T00:00:00.000Z" },
    snapshot: { label: "release-1", command: 'make \u0001 "it"\n', exit_code: 2, duration_ms: 12 },
    image: { key: "aa", disk_bytes: testDiskBytes },
  })
  await imported.dispose()
  await imported.dispose()
  expect(await here.leftovers()).toEqual([])
})

test.each([
  ["that was there", "here"],
  ["that came along", "elsewhere"],
])("the imported disk names the blank disk of an image %s as it will be found", async (_, where) => {
  const receiver = where === "here" ? here : elsewhere
  const imported = await receiver.import(await here.export(disk))
  const { stdout } = await execute("qemu-img", ["info", "--output=json", imported.disk])
  expect(JSON.parse(stdout)).toMatchObject({
    "backing-filename": `../images/${imported.image.key}/blank.qcow2`,
    "backing-filename-format": "qcow2",
  })
  await imported.dispose()
})

test("an image that is not there comes along, under a key of its own, once", async () => {
  const imported = await elsewhere.import(await here.export(disk))
  expect(imported.image.key).toMatch(/^x/)
  expect(await here.same(imported, disk)).toBe(true)
  expect(await readFile(imported.image.base)).toEqual(await readFile(here.image.base))
  const again = await elsewhere.import(await here.export(disk))
  expect(again.image).toEqual(imported.image)
  expect(await here.same(again, disk)).toBe(true)
  // And now without.
  const third = await elsewhere.import(await here.export(disk, { includeImage: false }))
  expect(third.image).toEqual(imported.image)
  await elsewhere.shelf.removeUnused(() => Promise.resolve(new Set()))
  expect(await elsewhere.shelf.find(imported.image.key)).toBeDefined()
  for (const one of [imported, again, third]) await one.dispose()
  await elsewhere.shelf.removeUnused(() => Promise.resolve(new Set()))
  expect(await elsewhere.shelf.find(imported.image.key)).toBeUndefined()
  expect(await elsewhere.leftovers()).toEqual([])
})

test("what was imported can be exported and go back", async () => {
  const there = await elsewhere.import(await here.export(disk))
  // As a server would have it: a layer on its image, made portable.
  const [layer, portable] = [elsewhere.path("layers/l0.qcow2"), elsewhere.path("portable.qcow2")]
  await mkdir(elsewhere.path("layers"))
  await rename(there.disk, layer)
  await writePortableDisk(layer, there.image, portable)
  const back = await here.import(await elsewhere.export(portable, { image: there.image }))
  expect(back.image.key).toMatch(/^x/)
  expect(await here.same(back, disk)).toBe(true)
  await Promise.all([there.dispose(), back.dispose()])
})

test("an image that only has the same key is not taken for the same", async () => {
  const namesake = await ArchiveWorld.make("aa")
  const imported = await namesake.import(await here.export(disk))
  expect(imported.image.key).toMatch(/^x/)
  await imported.dispose()
  await namesake.shelf.removeUnused(() => Promise.resolve(new Set()))
  const without = namesake.import(await here.export(disk, { includeImage: false }))
  await expect(without).rejects.toThrow(/without --without-image/)
  await expect(without).rejects.toMatchObject({ code: "invalid_request", details: { field: "archive" } })
  expect(await namesake.leftovers()).toEqual([])
  await namesake.dispose()
})

test("an archive can be unpacked by hand, and its disk used", async () => {
  const unpacked = here.path("unpacked")
  await mkdir(unpacked)
  await writeFile(here.path("a.tar.zst"), await bytesOf(await here.export(disk)))
  const { stdout } = await execute("tar", ["--zstd", "-xvf", here.path("a.tar.zst"), "-C", unpacked])
  expect(stdout.trim().split("\n")).toEqual([
    "manifest.json",
    "disk.qcow2",
    "image/vmlinuz",
    "image/initramfs",
    "image/base.raw",
    "image/blank.qcow2",
    "image/image.json",
  ])
  const manifest = JSON.parse(await readFile(`${unpacked}/manifest.json`, "utf8")) as Manifest
  for (const { name, bytes, sha256 } of manifest.files) {
    const content = await readFile(`${unpacked}/${name}`)
    expect([content.length, createHash("sha256").update(content).digest("hex")]).toEqual([bytes, sha256])
  }
  await execute("qemu-io", ["-r", "-c", "read -P 1 0 1M", `${unpacked}/disk.qcow2`])
})

test("a command of 256 KiB of control characters fits into the manifest", async () => {
  const snapshot = {
    name: "cmd_1",
    label: null,
    command: "\u0001".repeat(256 * 1024),
    exit_code: null,
    duration_ms: null,
    created_at: "2026-01-02T00:00:00.000Z",
  }
  const imported = await here.import(await here.export(disk, { snapshot }))
  expect(imported.manifest.snapshot).toEqual(snapshot)
  await imported.dispose()
})
