import { mkdir, mkdtemp, readFile, rm, utimes, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { gunzipSync } from "node:zlib"
import { afterEach, beforeEach, expect, it } from "vitest"
import { writeInitramfs } from "./initramfs.js"

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "opensandbox-initramfs-"))
  await mkdir(join(directory, "modules"))
  await writeFile(join(directory, "modules", "02-second.ko"), "second module")
  await writeFile(join(directory, "modules", "01-first.ko.xz"), "first module")
  await writeFile(join(directory, "agent"), "the agent")
})
afterEach(async () => {
  await rm(directory, { recursive: true })
})

async function pack(name: string): Promise<Buffer> {
  const target = join(directory, name)
  await writeInitramfs(
    { agentBinary: join(directory, "agent"), modulesDirectory: join(directory, "modules"), target },
    join(directory, "scratch"),
  )
  return readFile(target)
}

it("holds the agent as /init and the modules in order", async () => {
  const archive = gunzipSync(await pack("one")).toString("latin1")
  const positions = ["init\0", "the agent", "01-first.ko.xz\0", "first module", "02-second.ko\0"].map(
    (text) => archive.indexOf(text),
  )
  expect(positions.every((position) => position > 0)).toBe(true)
  expect(positions).toEqual([...positions].sort((a, b) => a - b))
})

it("is the same for the same content, whenever the files were made", async () => {
  const first = await pack("one")
  await utimes(join(directory, "agent"), 1_000_000, 1_000_000)
  expect((await pack("two")).equals(first)).toBe(true)
  await writeFile(join(directory, "agent"), "another agent")
  expect((await pack("three")).equals(first)).toBe(false)
})
