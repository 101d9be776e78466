import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, expect, test } from "vitest"
import { Scratch } from "./scratch.js"

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "scratch-"))
})

afterEach(() => rm(directory, { recursive: true }))

test("begins empty, whatever an earlier server left", async () => {
  const home = join(directory, "scratch")
  await mkdir(join(home, "s1", "image"), { recursive: true })
  await writeFile(join(home, "s1", "image", "base.raw"), "half")
  await Scratch.open(home)
  expect(await readdir(home)).toEqual([])
})

test("makes directories that nobody else can enter, and removes them with all that is in them", async () => {
  const scratch = await Scratch.open(join(directory, "scratch"))
  const [one, two] = [await scratch.make(), await scratch.make()]
  expect(one.path).not.toBe(two.path)
  expect((await stat(one.path)).mode & 0o777).toBe(0o700)
  await writeFile(join(one.path, "file"), "")
  await one.remove()
  await one.remove()
  expect(await readdir(join(directory, "scratch"))).toHaveLength(1)
})
