import { execFile } from "node:child_process"
import { createHash, randomBytes } from "node:crypto"
import { copyFile, readdir, readFile } from "node:fs/promises"
import { promisify } from "node:util"
import { gzipSync } from "node:zlib"
import { digestOf, type ImageContent } from "@opensandbox/vm"
import fc from "fast-check"
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest"
import {
  ArchiveWorld,
  bytesOf,
  streamOf,
  testDiskBytes,
  zstd,
  zstdProcesses,
} from "../testing/archive-world.js"
import { entriesOf, entry, tarOf, type TarEntry } from "../testing/tar-entries.js"
import type { AnnouncedFile, Manifest } from "./manifest.js"

const execute = promisify(execFile)

let sender: ArchiveWorld
let receiver: ArchiveWorld
let disk: string
let honest: Buffer
let honestTar: Buffer

beforeAll(async () => {
  // Little noise: what is compressed well is short, and each of its bits matters.
  sender = await ArchiveWorld.make("aa", randomBytes(20_000))
  receiver = await ArchiveWorld.make("bb")
  disk = await sender.makeDisk("disk", 40_960)
  honest = await bytesOf(await sender.export(disk))
  honestTar = zstd(honest, "-d")
})

afterAll(async () => {
  await sender.dispose()
  await receiver.dispose()
})

afterEach(async () => {
  expect(await receiver.leftovers()).toEqual([])
  expect(await readdir(receiver.path("images"))).toEqual(["bb"])
  expect(await zstdProcesses()).toEqual([])
})

async function expectRefusal(archive: Buffer | ReadableStream<Uint8Array>, complaint: RegExp): Promise<void> {
  await expect(receiver.import(archive)).rejects.toMatchObject({
    code: "invalid_request",
    message: expect.stringMatching(complaint) as unknown,
    details: { field: "archive" },
  })
}

/** The honest archive with its entries changed. */
function tampered(change: (entries: TarEntry[]) => TarEntry[], end?: Buffer): Buffer {
  return zstd(tarOf(change(entriesOf(honestTar)), end), "-1")
}

function withManifest(change: (manifest: Manifest) => unknown): Buffer {
  return tampered(([first, ...others]) => {
    const manifest = JSON.parse(first?.content.toString() ?? "") as Manifest
    return [entry({ path: "manifest.json" }, Buffer.from(JSON.stringify(change(manifest)))), ...others]
  })
}

/** The manifest with other facts about its files, and at one with itself about the image. */
function announcing(
  manifest: Manifest,
  name: string,
  facts: Partial<AnnouncedFile>,
  diskBytes: number,
): Manifest {
  const files = manifest.files.map((file) => (file.name === name ? { ...file, ...facts } : file))
  const byName = files.map((file) => [file.name.replace("image/", ""), file])
  const content = digestOf(Object.fromEntries(byName) as ImageContent, diskBytes)
  return { ...manifest, files, image: { ...manifest.image, disk_bytes: diskBytes, content } }
}

/** The honest archive with a file replaced, and announced as it is. */
function withFile(name: string, content: Buffer): Buffer {
  const facts = { bytes: content.length, sha256: createHash("sha256").update(content).digest("hex") }
  const archive = withManifest((manifest) => announcing(manifest, name, facts, testDiskBytes))
  const entries = entriesOf(zstd(archive, "-d")).map((each) =>
    each.header.toString("latin1", 0, name.length + 1) === `${name}\0`
      ? entry({ path: name }, content)
      : each,
  )
  return zstd(tarOf(entries), "-1")
}

/** The honest archive with the entry of the disk replaced by another one. */
function insteadOfDisk(...others: TarEntry[]): Buffer {
  return tampered((entries) => entries.flatMap((each, index) => (index === 1 ? others : [each])))
}

const diskEntry = () => entriesOf(honestTar)[1] ?? entry({})

describe("what is no archive", () => {
  test.each([
    ["nothing", () => Buffer.alloc(0)],
    ["noise", () => randomBytes(100_000)],
    ["a plain tar file", () => honestTar],
    ["another kind of compression around noise", () => gzipSync(randomBytes(1000))],
    ["an empty file, compressed", () => zstd(Buffer.alloc(0))],
    ["zeros, compressed", () => zstd(Buffer.alloc(100_000_000))],
    ["text, compressed", () => zstd(Buffer.from("hello ".repeat(1000)))],
    ["what takes a gigabyte to decompress", () => zstd(honestTar, "--ultra", "-22", "--long=30")],
  ])("%s is refused", async (_, bytes) => {
    await expectRefusal(bytes(), /^The archive cannot be imported: /)
  })
})

describe("other entries than announced", () => {
  test.each<[string, RegExp, (entries: TarEntry[]) => TarEntry[]]>([
    ["none but the manifest", /disk\.qcow2 is missing/, ([first]) => (first ? [first] : [])],
    ["no manifest", /something else where manifest\.json/, ([, ...others]) => others],
    ["the last one missing", /image\/image\.json is missing/, (entries) => entries.slice(0, -1)],
    [
      "two in another order",
      /something else where disk\.qcow2/,
      ([a, b, c, ...others]) => [a, c, b, ...others] as TarEntry[],
    ],
    [
      "one twice",
      /something else where image\/vmlinuz/,
      ([a, b, ...others]) => [a, b, b, ...others] as TarEntry[],
    ],
    ["one more at the end", /more than its manifest/, (entries) => [...entries, entry({ path: "extra" })]],
    ["everything twice", /more than its manifest/, (entries) => [...entries, ...entries]],
    ["one more at the beginning", /where manifest\.json/, (entries) => [entry({ path: "a" }), ...entries]],
  ])("%s", async (_, complaint, change) => {
    await expectRefusal(tampered(change), complaint)
  })

  test.each([
    "../disk.qcow2",
    "/etc/passwd",
    "./disk.qcow2",
    "disk.qcow2/",
    "disk.qcow2 ",
    "image/../../disk.qcow2",
    "DISK.QCOW2",
    "disk.qcow2\n",
  ])("a disk that is called %j", async (path) => {
    await expectRefusal(insteadOfDisk(entry({ path }, diskEntry().content)), /disk\.qcow2/)
  })

  test.each([
    "Link",
    "SymbolicLink",
    "CharacterDevice",
    "BlockDevice",
    "Directory",
    "FIFO",
    "ContiguousFile",
    "GNUDumpDir",
    "SolarisACL",
    "OldGnuLongPath",
  ] as const)("a disk that is a %s", async (type) => {
    const path = "disk.qcow2"
    await expectRefusal(insteadOfDisk(entry({ path, type, linkpath: "/etc/passwd" })), /disk\.qcow2/)
  })

  test.each([
    ["an extended header of pax", "ExtendedHeader", "20 path=/tmp/escape\n"],
    ["a global header of pax", "GlobalExtendedHeader", "20 path=/tmp/escape\n"],
    ["a long name of GNU", "NextFileHasLongPath", "/tmp/escape"],
    ["a long link of GNU", "NextFileHasLongLinkpath", "/tmp/escape"],
  ] as const)("%s before the disk", async (_, type, content) => {
    const extended = entry({ path: "disk.qcow2", type }, Buffer.from(content))
    await expectRefusal(insteadOfDisk(extended, diskEntry()), /disk\.qcow2/)
  })

  test("a number in a header that is beyond all numbers", async () => {
    const huge = entry({ path: "disk.qcow2" })
    huge.header.fill(0xff, 124, 136)
    huge.header[124] = 0x80
    await expectRefusal(insteadOfDisk(huge), /damaged, or no tar file/)
  })

  test("sizes that differ from the announced ones", async () => {
    const content = Buffer.from(diskEntry().content)
    for (const bytes of [
      content.subarray(512),
      Buffer.concat([content, Buffer.alloc(512)]),
      Buffer.alloc(0),
    ]) {
      const wrong = insteadOfDisk(entry({ path: "disk.qcow2" }, bytes))
      await expectRefusal(wrong, /disk\.qcow2 is not as long as/)
    }
  })

  test("something between two files, or after the end", async () => {
    const dirty = Buffer.from(honestTar)
    const afterManifest = 512 + (entriesOf(honestTar)[0]?.content.length ?? 0)
    dirty[afterManifest] = 1
    await expectRefusal(zstd(dirty), /damaged between two files/)
    for (const end of [Buffer.alloc(1024, 1), Buffer.alloc(1025), Buffer.alloc(100_000_000)]) {
      await expectRefusal(
        tampered((entries) => entries, end),
        /more than its manifest/,
      )
    }
    await expectRefusal(
      tampered((entries) => entries, Buffer.alloc(512)),
      /not complete/,
    )
    await expectRefusal(Buffer.concat([honest, honest]), /more than its manifest/)
    await expectRefusal(Buffer.concat([honest, Buffer.from("junk")]), /damaged or cut off/)
  })
})

describe("a manifest that", () => {
  test.each<[string, RegExp, (manifest: Manifest) => unknown]>([
    ["is of another program", /see "format"/, (manifest) => ({ ...manifest, format: "something" })],
    ["is of a later version", /another version of OpenSandbox/, (manifest) => ({ ...manifest, version: 2 })],
    ["is no object", /not that of a sandbox/, () => null],
    ["has no sandbox", /see "sandbox"/, (manifest) => ({ ...manifest, sandbox: undefined })],
    [
      "has a sandbox with a path for a name",
      /see "sandbox\.name"/,
      (manifest) => ({ ...manifest, sandbox: { ...manifest.sandbox, name: "../x" } }),
    ],
    [
      "has an image with a path for a key",
      /see "image\.key"/,
      (manifest) => ({ ...manifest, image: { ...manifest.image, key: ".." } }),
    ],
    [
      "has a larger disk than this server's",
      /larger than those of this server/,
      (manifest) => ({ ...manifest, image: { ...manifest.image, disk_bytes: testDiskBytes * 2 } }),
    ],
    [
      "has a disk of no size",
      /see "image\.disk_bytes"/,
      (manifest) => ({ ...manifest, image: { ...manifest.image, disk_bytes: 0 } }),
    ],
    [
      "speaks for another image",
      /contradicts itself/,
      (manifest) => ({ ...manifest, image: { ...manifest.image, content: "0".repeat(64) } }),
    ],
    ["announces nothing", /announces other files/, (manifest) => ({ ...manifest, files: [] })],
    [
      "announces a path",
      /announces other files/,
      (manifest) => ({
        ...manifest,
        files: manifest.files.map((file) => ({ ...file, name: "/etc/passwd" })),
      }),
    ],
    [
      "announces half an image",
      /announces other files/,
      (manifest) => ({ ...manifest, files: manifest.files.slice(0, 3) }),
    ],
    [
      "announces very many files",
      /see "files"/,
      (manifest) => ({ ...manifest, files: Array.from({ length: 10_000 }, () => manifest.files[0]) }),
    ],
    [
      "announces a huge file",
      /disk\.qcow2 is larger than/,
      (manifest) => ({ ...manifest, files: manifest.files.map((file) => ({ ...file, bytes: 2 ** 40 })) }),
    ],
    [
      "announces a file of less than nothing",
      /see "files\.0\.bytes"/,
      (manifest) => ({ ...manifest, files: manifest.files.map((file) => ({ ...file, bytes: -1 })) }),
    ],
    [
      "announces another checksum",
      /disk\.qcow2 is damaged/,
      (manifest) => ({
        ...manifest,
        files: manifest.files.map((file) =>
          file.name === "disk.qcow2" ? { ...file, sha256: "0".repeat(64) } : file,
        ),
      }),
    ],
  ])("%s is refused", async (_, complaint, change) => {
    await expectRefusal(withManifest(change), complaint)
  })

  test("is no JSON, or far too large, is refused", async () => {
    const replaced = (content: Buffer) =>
      tampered(([, ...others]) => [entry({ path: "manifest.json" }, content), ...others])
    await expectRefusal(replaced(Buffer.from("{")), /not JSON/)
    await expectRefusal(replaced(Buffer.alloc(3 * 1024 * 1024, " ")), /manifest\.json is larger/)
  })
})

describe("files with the right checksum", () => {
  test.each([
    ["a file of the host", ["-b", "/etc/passwd", "-F", "raw"]],
    ["another file of the server", ["-b", "../../layers/l0.qcow2", "-F", "qcow2"]],
    ["nothing", []],
  ])("a disk that rests on %s", async (_, options) => {
    const forged = sender.path("forged.qcow2")
    await execute("qemu-img", ["create", "-u", "-f", "qcow2", ...options, forged, `${testDiskBytes}`])
    await expectRefusal(withFile("disk.qcow2", await readFile(forged)), /disk\.qcow2: it rests on/)
  })

  test("a disk with its content in another file", async () => {
    const forged = await readFile(disk)
    forged.writeBigUInt64BE(4n, 72)
    await expectRefusal(withFile("disk.qcow2", forged), /disk\.qcow2: it has features/)
  })

  test("a disk that is none, or of another size", async () => {
    await expectRefusal(withFile("disk.qcow2", randomBytes(200_000)), /disk\.qcow2: it is no qcow2 file/)
    const forged = sender.path("large.qcow2")
    await execute("qemu-img", ["create", "-q", "-f", "qcow2", forged, `${testDiskBytes * 2}`])
    await expectRefusal(withFile("disk.qcow2", await readFile(forged)), /not as large as the image's/)
  })

  test("an image whose blank disk rests on a file of the host", async () => {
    const forged = sender.path("blank.qcow2")
    await copyFile(sender.image.blankDisk, forged)
    await execute("qemu-img", ["rebase", "-u", "-b", "/etc/passwd", "-F", "raw", forged])
    await expectRefusal(withFile("image/blank.qcow2", await readFile(forged)), /the image: it rests on/)
  })

  test("an image whose kernel is none", async () => {
    await expectRefusal(withFile("image/vmlinuz", Buffer.from("\x7fELF")), /the image: its kernel/)
  })
})

describe("an archive that was damaged on its way", () => {
  test("is refused, or was not harmed, whatever bit is flipped", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(honest.length * 8 - 1), async (bit) => {
        const damaged = Buffer.from(honest)
        damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        await expectRefusalOrTheSame(damaged)
      }),
      { numRuns: 80 },
    )
  })

  test("is refused whatever bit behind the manifest is flipped before it was compressed", async () => {
    const behindManifest = 1024 + (entriesOf(honestTar)[0]?.content.length ?? 0)
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: behindManifest * 8, max: honestTar.length * 8 - 1 }),
        async (bit) => {
          const damaged = Buffer.from(honestTar)
          damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
          await expectRefusal(zstd(damaged, "-1"), /./)
        },
      ),
      { numRuns: 80 },
    )
  })

  test("is refused wherever it was cut off", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(honest.length - 1), async (length) => {
        await expectRefusal(honest.subarray(0, length), /damaged or cut off|not complete/)
      }),
      { numRuns: 40, examples: [[honest.length - 1], [honest.length - 4], [1], [0]] },
    )
  })

  /** A few bits of a zstd stream have no say in its content. */
  async function expectRefusalOrTheSame(archive: Buffer): Promise<void> {
    const imported = await receiver.import(archive).catch((error: unknown) => error)
    if (imported instanceof Error) {
      expect(imported).toMatchObject({ code: "invalid_request" })
      return
    }
    const accepted = imported as Awaited<ReturnType<ArchiveWorld["import"]>>
    expect(await receiver.same(accepted, disk)).toBe(true)
    await accepted.dispose()
    await receiver.shelf.removeUnused(() => Promise.resolve(new Set()))
  }
})

describe("an import that breaks off", () => {
  test("because its sender went away leaves nothing", async () => {
    let sent = 0
    const broken = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (sent > honest.length / 2) controller.error(new Error("connection reset"))
        else controller.enqueue(honest.subarray(sent, (sent += 10_000)))
      },
    })
    await expect(receiver.import(broken)).rejects.toThrow(/damaged or cut off/)
  })

  test("because of what it read stops its sender", async () => {
    let cancelled = false
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        controller.enqueue(randomBytes(10_000))
      },
      cancel: () => {
        cancelled = true
      },
    })
    await expectRefusal(endless, /damaged or cut off/)
    expect(cancelled).toBe(true)
  })

  test("because the host has no room says so, before anything is written", async () => {
    const bytes = 2 ** 46
    const announced = withManifest((manifest) => announcing(manifest, "disk.qcow2", { bytes }, bytes))
    const [manifest = entry({})] = entriesOf(zstd(announced, "-d"))
    const archive = zstd(tarOf([manifest, entry({ path: "disk.qcow2", size: bytes })]))
    await expect(receiver.import(archive, { maxDiskBytes: bytes })).rejects.toMatchObject({
      code: "disk_full",
    })
  })

  test("takes a stream of single bytes as well", async () => {
    await expectRefusal(streamOf(honest.subarray(0, 3000), 1), /damaged or cut off/)
  })
})
