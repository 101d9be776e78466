import { truncate, writeFile } from "node:fs/promises"
import { afterAll, beforeAll, expect, test, vi } from "vitest"
import { ArchiveWorld, bytesOf, zstdProcesses } from "../testing/archive-world.js"

let world: ArchiveWorld
let disk: string

beforeAll(async () => {
  world = await ArchiveWorld.make("aa")
  disk = await world.makeDisk("disk")
})

afterAll(() => world.dispose())

test("lets go of the disk and the image when the last byte is out, and not before", async () => {
  const release = vi.fn(() => Promise.resolve())
  const archive = await world.export(disk, { release })
  const reader = archive.getReader()
  expect((await reader.read()).done).toBe(false)
  expect(release).not.toHaveBeenCalled()
  while (!(await reader.read()).done);
  expect(release).toHaveBeenCalledOnce()
  expect(await zstdProcesses()).toEqual([])
})

test("leaves nothing when its reader goes away, be it at the beginning, in the middle or before", async () => {
  for (const reads of [0, 1, 3]) {
    const release = vi.fn(() => Promise.resolve())
    const reader = (await world.export(disk, { release })).getReader()
    for (let read = 0; read < reads; read++) await reader.read()
    await reader.cancel()
    expect(release).toHaveBeenCalledOnce()
    expect(await zstdProcesses()).toEqual([])
  }
})

test("leaves nothing when its reader goes away while it waits", async () => {
  const release = vi.fn(() => Promise.resolve())
  const reader = (await world.export(disk, { release })).getReader()
  const waiting = reader.read()
  await reader.cancel()
  await waiting
  expect(release).toHaveBeenCalledOnce()
  expect(await zstdProcesses()).toEqual([])
})

test("fails before it begins when the disk is not there", async () => {
  const release = vi.fn(() => Promise.resolve())
  const archive = world.export(world.path("none.qcow2"), { release })
  await expect(archive).rejects.toMatchObject({ code: "unavailable" })
  expect(release).toHaveBeenCalledOnce()
})

test("breaks off rather than send what it did not announce", async () => {
  const release = vi.fn(() => Promise.resolve())
  // Long enough to be still read when it changes.
  const bytes = 256 * 1024 * 1024
  const changing = world.path("changing")
  for (const change of [1, -1]) {
    await writeFile(changing, "")
    await truncate(changing, bytes)
    const archive = await world.export(changing, { release })
    await truncate(changing, bytes + change)
    await expect(bytesOf(archive)).rejects.toThrow("changed while it was exported")
  }
  expect(release).toHaveBeenCalledTimes(2)
  expect(await zstdProcesses()).toEqual([])
})

test("says what is missing on a host without zstd", async () => {
  vi.stubEnv("PATH", "")
  try {
    const archive = await world.export(disk)
    await expect(bytesOf(archive)).rejects.toMatchObject({ code: "unavailable" })
    const imported = world.import(new Uint8Array(10))
    await expect(imported).rejects.toMatchObject({ code: "unavailable" })
  } finally {
    vi.unstubAllEnvs()
  }
})
