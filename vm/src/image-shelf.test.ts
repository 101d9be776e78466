import { createHash } from "node:crypto"
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { execa } from "execa"
import { afterEach, beforeEach, expect, test } from "vitest"
import { ForeignFileError } from "./foreign/foreign-file-error.js"
import { prepareForeignImage } from "./foreign/foreign-image.js"
import { contentFiles, contentOf, type ImageContent } from "./image-content.js"
import { ImageShelf } from "./image-shelf.js"

const diskBytes = 4 * 1024 * 1024
const none = () => Promise.resolve(new Set<string>())

let directory: string
let shelf: ImageShelf

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "shelf-"))
  shelf = new ImageShelf(join(directory, "shelf"))
  const built = await makeFiles("built", "initramfs")
  await writeFile(join(built, "image.json"), JSON.stringify({ key: "0123", kernel: "6", diskBytes }))
  await shelf.add(built)
})

afterEach(() => rm(directory, { recursive: true }))

async function makeFiles(name: string, initramfs: string): Promise<string> {
  const home = join(directory, name)
  await mkdir(home)
  await writeFile(join(home, "vmlinuz"), `${"\0".repeat(0x202)}HdrS`)
  await writeFile(join(home, "initramfs"), initramfs)
  await writeFile(join(home, "base.raw"), "base")
  await execa("qemu-img", ["create", "-q", "-f", "qcow2", join(home, "blank.qcow2"), `${diskBytes}`])
  return home
}

async function contentIn(home: string): Promise<ImageContent> {
  const entries = contentFiles.map(async (name) => [name, await contentOf(join(home, name))] as const)
  return Object.fromEntries(await Promise.all(entries)) as ImageContent
}

async function adopt(initramfs: string) {
  const home = await makeFiles(`foreign-${initramfs}`, initramfs)
  await prepareForeignImage(home, await contentIn(home), diskBytes)
  return shelf.adopt(home)
}

test("says what an image's files hold", async () => {
  const { initramfs } = await shelf.content(await shelf.get("0123"))
  const sha256 = createHash("sha256").update("initramfs").digest("hex")
  expect(initramfs).toEqual({ bytes: 9, sha256 })
})

test("gives an image from elsewhere a key of its content, whatever it called itself", async () => {
  const [one, two] = [await adopt("one"), await adopt("two")]
  expect(one.key).toMatch(/^x[0-9a-f]{19}$/)
  expect(two.key).not.toBe(one.key)
  expect(await shelf.find(one.key)).toEqual(one)
  expect(await readFile(one.initramfs, "utf8")).toBe("one")
  expect((await stat(one.base)).mode & 0o222).toBe(0)
  expect(await shelf.find("x0000000000000000000")).toBeUndefined()
})

test("adopts the same image once", async () => {
  const first = await adopt("same")
  await rm(join(directory, "foreign-same"), { recursive: true, force: true })
  expect(await adopt("same")).toEqual(first)
})

test("makes no image of one whose kernel is something else", async () => {
  const home = await makeFiles("bad", "init")
  await writeFile(join(home, "vmlinuz"), "\x7fELF")
  await expect(prepareForeignImage(home, await contentIn(home), diskBytes)).rejects.toThrow(ForeignFileError)
})

test("makes no image of one whose blank disk rests on a file of the host", async () => {
  const home = await makeFiles("bad", "init")
  const blank = join(home, "blank.qcow2")
  await execa("qemu-img", ["rebase", "-u", "-b", "/etc/passwd", "-F", "raw", blank])
  await expect(prepareForeignImage(home, await contentIn(home), diskBytes)).rejects.toThrow(ForeignFileError)
})

test("removes images from elsewhere that nothing rests on, and no others", async () => {
  const [used, unused] = [await adopt("used"), await adopt("unused")]
  await shelf.removeUnused(() => Promise.resolve(new Set([used.key])))
  expect(await shelf.find(unused.key)).toBeUndefined()
  expect((await readdir(join(directory, "shelf"))).sort()).toEqual(["0123", used.key].sort())
})

test("removes no image that is held, or came to be held meanwhile", async () => {
  const { key } = await adopt("held")
  const letGo = shelf.hold(key)
  const letGoToo = shelf.hold(key)
  letGo()
  letGo()
  await shelf.removeUnused(none)
  expect(await shelf.find(key)).toBeDefined()
  letGoToo()
  await shelf.removeUnused(() => {
    shelf.hold(key)()
    return none()
  })
  expect(await shelf.find(key)).toBeDefined()
  await shelf.removeUnused(none)
  expect(await shelf.find(key)).toBeUndefined()
})
