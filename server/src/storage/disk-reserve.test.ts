import { mkdtemp, readdir, rm, stat } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, expect, test } from "vitest"
import { DiskReserve } from "./disk-reserve.js"

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "osb-reserve-"))
})

afterEach(async () => {
  await rm(directory, { recursive: true })
})

test("16 MiB are taken once, for the owner's eyes only, and kept while there is room", async () => {
  await DiskReserve.open(directory)
  const [name = ""] = await readdir(directory)
  const taken = await stat(join(directory, name))
  expect(taken.size).toBe(16 * 1024 * 1024)
  expect(taken.blocks * 512).toBeGreaterThanOrEqual(taken.size)
  expect(taken.mode & 0o077).toBe(0)

  const again = await DiskReserve.open(directory)
  await again.take()
  await again.giveWhenFull()
  expect(await stat(join(directory, name))).toMatchObject({ ino: taken.ino, mtimeMs: taken.mtimeMs })
})
