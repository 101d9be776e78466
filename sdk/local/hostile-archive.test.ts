import { mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import fc from "fast-check"
import { afterEach, beforeEach, expect, test } from "vitest"
import { bytesOf } from "../tar/bytes.js"
import type { TarEntry } from "../tar/entry.js"
import { headerOf } from "../tar/header.js"
import { takeLocally } from "./transfer.js"

let top: string

beforeEach(async () => {
  top = await mkdtemp(join(tmpdir(), "hostile-"))
  await mkdir(join(top, "inside"))
  await mkdir(join(top, "outside"))
  await writeFile(join(top, "outside/kept"), "kept", { mode: 0o600 })
  await symlink("../outside", join(top, "inside/old"))
})
afterEach(() => rm(top, { recursive: true, force: true }))

const entry = (path: string, more: Partial<TarEntry> = {}): Uint8Array =>
  headerOf({ path, type: "file", mode: 0o644, size: 0, mtime: 0, target: "", ...more })

const link = (path: string, target: string) => entry(path, { type: "symlink", target })
const hard = (path: string, target: string) => entry(path, { type: "hardlink", target })

const end = new Uint8Array(1024)

function take(...parts: Uint8Array[]) {
  const archive = new Blob(parts as Uint8Array<ArrayBuffer>[]).stream()
  return takeLocally(
    { measure: () => Promise.resolve(undefined), archive: () => Promise.resolve({ success: true, archive }) },
    join(top, "inside"),
    undefined,
  )
}

async function expectOutsideUntouched(): Promise<void> {
  expect(await readdir(top)).toEqual(["inside", "outside"])
  expect(await readdir(join(top, "outside"))).toEqual(["kept"])
  expect(await stat(join(top, "outside/kept"))).toMatchObject({ nlink: 1, size: 4, mode: 0o100600 })
}

/** A header with a byte changed and its sum made right again or not. */
function forged(at: number, text: string): Uint8Array {
  const header = entry("file").slice()
  header.set(bytesOf(text), at)
  header.set(bytesOf(" ".repeat(8)), 148)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.set(bytesOf(`${sum.toString(8).padStart(6, "0")}\0 `), 148)
  return header
}

const hostile: [string, () => Uint8Array[]][] = [
  ["an absolute name", () => [entry("/outside/new")]],
  ["a name with ..", () => [entry("../outside/new")]],
  ["a name with .. inside", () => [entry("a/../../outside/new")]],
  ["a name with .. in an extended header", () => [entry(`${"x".repeat(120)}/../../outside/new`)]],
  ["a name through its own link", () => [link("to", "../outside"), entry("to/new")]],
  ["a name through an absolute link", () => [link("to", join(top, "outside")), entry("to/new")]],
  ["a name through two links", () => [link("a", ".."), link("b", "a/outside"), entry("b/new")]],
  ["a directory through a link", () => [link("to", "../outside"), entry("to/new", { type: "directory" })]],
  ["a name through an older link", () => [entry("old/new")]],
  ["a link through a link", () => [link("to", "../outside"), link("to/new", "x")]],
  ["a hard link to an absolute name", () => [hard("mine", join(top, "outside/kept"))]],
  ["a hard link with ..", () => [hard("mine", "../outside/kept")]],
  ["a hard link through a link", () => [link("to", "../outside"), hard("mine", "to/kept")]],
  ["a hard link to a link", () => [link("to", "../outside/kept"), hard("mine", "to")]],
  ["a file in a file", () => [entry("a"), entry("a/b")]],
  ["a file in a directory's place", () => [entry("a/b", { type: "directory" }), entry("a")]],
  ["a device", () => [forged(156, "3")]],
  ["a type that is none", () => [forged(156, "Z")]],
  ["a damaged header", () => [entry("file").map((byte, at) => (at === 0 ? byte + 1 : byte))]],
  ["a size that is no number", () => [forged(124, "9999999")]],
  ["a mode that is no number", () => [forged(100, "-7")]],
  ["an extended header that is too long", () => [entry("x".repeat(70_000))]],
  ["an end in a header", () => [entry("file").subarray(0, 100)]],
  ["an end in a file", () => [entry("file", { size: 5000 }), new Uint8Array(100)]],
  ["no end", () => [entry("file")]],
]

test.each(hostile)("what has %s is refused, and nothing outside is touched", async (_, parts) => {
  expect(await take(...parts())).toMatchObject({
    success: false,
    code: "internal",
    error: expect.stringContaining("What the sandbox sent is refused") as string,
  })
  await expectOutsideUntouched()
})

test("whatever an archive says, nothing outside is touched", async () => {
  const name = fc
    .array(fc.constantFrom("a", "b", "..", ".", "", "old", "/", "outside", "kept"), {
      minLength: 1,
      maxLength: 4,
    })
    .map((parts) => parts.join("/"))
  const type = fc.constantFrom("file", "directory", "symlink", "hardlink")
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(name, type, name), { maxLength: 8 }), async (entries) => {
      await take(...entries.map(([path, type, target]) => entry(path, { type, target })), end)
      await expectOutsideUntouched()
      await rm(join(top, "inside"), { recursive: true })
      await mkdir(join(top, "inside"))
      await symlink("../outside", join(top, "inside/old"))
    }),
    { numRuns: 150 },
  )
})

test("whatever bytes come, it ends in a result", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 3000 }), fc.nat(2000), async (noise, at) => {
      const bytes = new Uint8Array(3000)
      bytes.set(entry("file", { size: 600, mtime: 1.5 }).subarray(0, 2048))
      bytes.set(noise.subarray(0, 3000 - at), at)
      expect(await take(bytes)).toHaveProperty("success")
      await expectOutsideUntouched()
    }),
    { numRuns: 150 },
  )
})
