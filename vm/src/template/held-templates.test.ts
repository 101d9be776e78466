import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, expect, test } from "vitest"
import { HeldTemplates } from "./held-templates.js"

const image = {
  key: "k1",
  kernel: "",
  initramfs: "",
  base: "",
  blankDisk: "",
  blankBytes: 1 << 20,
  diskBytes: 1 << 20,
}
const recipe = { key: "0".repeat(32), accelerator: "tcg", image: "k1", cpus: 1, memoryMiB: 1, network: true }
const [one, other] = ["1".repeat(16), "2".repeat(16)]

let root: string
let held: HeldTemplates

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "held-"))
  await mkdir(join(root, "kept"))
  held = new HeldTemplates(join(root, "kept"), join(root, "cache"), "disk")
  await makeTemplate("a", one)
})

afterEach(() => rm(root, { recursive: true }))

async function makeTemplate(name: string, id: string): Promise<void> {
  const home = join(root, "cache", name)
  await mkdir(home, { recursive: true })
  const memory = Buffer.alloc(2 ** 20)
  memory.write(`the memory of ${id}`, 700_000)
  await writeFile(join(home, "memory"), memory)
  await writeFile(join(home, "devices"), "devices")
  await writeFile(join(home, "id"), id)
  await writeFile(join(home, "recipe"), JSON.stringify(recipe))
}

test("keeps a template whatever becomes of the cache, as long as it is needed", async () => {
  await held.hold(one)
  await rm(join(root, "cache"), { recursive: true })
  await held.hold(one)
  const template = await held.get(one, image)
  expect(template).toMatchObject({ id: one, key: recipe.key, cpus: 1, memoryMiB: 1, network: true, image })
  expect((await readFile(template?.memoryFile ?? "")).includes(`the memory of ${one}`)).toBe(true)
  await held.release(() => Promise.resolve(new Set([one])))
  expect(await held.get(one, image)).toBeDefined()
  await held.release(() => Promise.resolve(new Set()))
  expect(await held.get(one, image)).toBeUndefined()
  expect(await readdir(join(root, "kept"))).toEqual([])
  await expect(held.hold(one)).rejects.toThrow("is gone")
})

test("gives a template to no other image than its own", async () => {
  await held.hold(one)
  expect(await held.get(one, { ...image, key: "k2" })).toBeUndefined()
})

test("knows a template by what is in it, though another took its place in the cache", async () => {
  await held.hold(one)
  await rm(join(root, "cache", "a"), { recursive: true })
  await makeTemplate("a", other)
  await held.hold(other)
  const memories = [await held.get(one, image), await held.get(other, image)].map((template) =>
    readFile(template?.memoryFile ?? ""),
  )
  const [first, second] = await Promise.all(memories)
  expect(first?.includes(one)).toBe(true)
  expect(second?.includes(other)).toBe(true)
})

test("keeps what is held while somebody looks for what is needed", async () => {
  await held.release(async () => {
    await held.hold(one)
    return new Set()
  })
  expect(await held.get(one, image)).toBeDefined()
})

test("copies where there is no other way, without the holes, and takes no broken copy for a template", async () => {
  const foreign = await mkdtemp("/dev/shm/held-")
  try {
    const elsewhere = new HeldTemplates(foreign, join(root, "cache"), "process")
    await mkdir(join(foreign, `${one}.passing`))
    await writeFile(join(foreign, `${one}.passing`, "memory"), "half")
    expect(await elsewhere.get(one, image)).toBeUndefined()
    await elsewhere.hold(one)
    const template = await elsewhere.get(one, image)
    expect((await readFile(template?.memoryFile ?? "")).includes(`the memory of ${one}`)).toBe(true)
    expect((await stat(template?.memoryFile ?? "")).blocks * 512).toBeLessThan(2 ** 20 / 4)
  } finally {
    await rm(foreign, { recursive: true })
  }
})
