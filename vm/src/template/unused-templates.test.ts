import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, expect, test } from "vitest"
import { markUsed, removeUnused } from "./unused-templates.js"

const now = Date.now()
const minutes = 60_000

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "templates-"))
})

afterEach(() => rm(directory, { recursive: true }))

const keyOf = (number: number) => number.toString(16).padStart(32, "0")

async function make(name: string, unusedMinutes: number): Promise<string> {
  const home = join(directory, name)
  await mkdir(home)
  await writeFile(join(home, "memory"), "")
  const time = new Date(now - unusedMinutes * minutes)
  await utimes(home, time, time)
  return home
}

const left = async () => (await readdir(directory)).sort()

test("removes those that were not used for the longest time, beyond the sixteen that are kept", async () => {
  for (let number = 0; number < 20; number++) await make(keyOf(number), 100 - number)
  await removeUnused(directory, now)
  expect(await left()).toEqual(Array.from({ length: 16 }, (_, at) => keyOf(at + 4)))
})

test("keeps what was used in the last minutes, however many that are", async () => {
  for (let number = 0; number < 20; number++) await make(keyOf(number), 5)
  await removeUnused(directory, now)
  expect(await left()).toHaveLength(20)
})

test("removes what a server left that died while it made or removed one, and nothing that is being made", async () => {
  await make("new-0a1b2c3d", 30)
  await make("removed-0a1b2c3d", 30)
  await make("new-ffffffff", 1)
  await removeUnused(directory, now)
  expect(await left()).toEqual(["new-ffffffff"])
})

test("a use counts from now on, and says when there is nothing to use any more", async () => {
  const used = await make(keyOf(0), 200)
  for (let number = 1; number < 20; number++) await make(keyOf(number), 100)
  expect(await markUsed({ memoryFile: join(used, "memory") })).toBe(true)
  await removeUnused(directory, now)
  expect(await left()).toContain(keyOf(0))
  expect(await markUsed({ memoryFile: join(directory, keyOf(99), "memory") })).toBe(false)
})
