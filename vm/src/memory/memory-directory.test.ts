import { open, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises"
import { mkdtemp } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import fc from "fast-check"
import { afterEach, beforeEach, expect, test } from "vitest"
import type { MemoryContent } from "./memory-file.js"
import { MemoryChain } from "./memory-chain.js"
import { MemoryDirectory } from "./memory-directory.js"
import { DamagedMemoryError, newMemoryId, type MemoryId } from "./memory.js"
import { hashPage, pageBytes } from "./page.js"
import { PageIndex } from "./page-index.js"

const guestPages = 700
const template = "0123456789abcdef"

let directory: string
let memories: MemoryDirectory

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "memories-"))
  memories = new MemoryDirectory(directory, "disk")
})

afterEach(() => rm(directory, { recursive: true }))

/** A page that can be told from others; 0 gives one of zeros, negative ones cannot be compressed. */
function page(fill: number): Uint8Array {
  if (fill >= 0) return new Uint8Array(pageBytes).fill(fill)
  const noise = new Uint8Array(pageBytes)
  for (let at = 0, state = fill | 1; at < pageBytes; at++) {
    state = Math.imul(state, 1_103_515_245) + 12_345
    noise[at] = state >>> 16
  }
  return noise
}

type Pages = ReadonlyMap<number, number>

function contentOf(pages: Pages, parent: MemoryId | null = null): MemoryContent {
  const sorted = [...pages].toSorted(([a], [b]) => a - b)
  const contents = sorted.map(([, fill]) => page(fill))
  return {
    header: { template, parent, guestPages },
    index: new PageIndex(
      Uint32Array.from(sorted, ([number]) => number),
      Buffer.concat(contents.map(hashPage)),
    ),
    devices: Buffer.from("as QEMU wrote them"),
    pages: contents.filter((_, at) => sorted[at]?.[1] !== 0),
  }
}

async function write(pages: Pages, parent: MemoryId | null = null): Promise<MemoryId> {
  const memory = newMemoryId()
  await memories.write(memory, contentOf(pages, parent))
  return memory
}

/** What a guest has after a chain was written to it. */
async function remembered(chain: readonly MemoryId[]): Promise<Map<number, string>> {
  const opened = await MemoryChain.open(memories, chain)
  const guest = new Map<number, string>()
  try {
    await opened.verify()
    await opened.writeTo({
      pageCount: guestPages,
      write: (numbers, contents) => {
        numbers.forEach((number, at) => {
          if (guest.has(number)) throw new Error(`page ${number} is written twice`)
          guest.set(number, Buffer.from(contents[at] ?? []).toString("base64"))
        })
        return Promise.resolve()
      },
    })
    expect([...opened.index.pages]).toEqual([...guest.keys()].toSorted((a, b) => a - b))
    expect((await opened.devices()).toString()).toBe("as QEMU wrote them")
  } finally {
    await opened.close()
  }
  return guest
}

const pages = fc
  .array(fc.tuple(fc.nat({ max: guestPages - 1 }), fc.integer({ min: -3, max: 3 })), { maxLength: 600 })
  .map((list) => new Map(list))

test("gives a guest back what the newest memory of a chain knows of each page, compressed or not", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(pages, fc.boolean()), { minLength: 1, maxLength: 4 }),
      async (changes) => {
        const chain: MemoryId[] = []
        const now = new Map<number, string>()
        for (const [change, compress] of changes) {
          const memory = await write(change, chain.at(-1) ?? null)
          if (compress) await memories.compress(memory)
          chain.push(memory)
          for (const [number, fill] of change) now.set(number, Buffer.from(page(fill)).toString("base64"))
        }
        expect(await remembered(chain)).toEqual(now)
      },
    ),
    { numRuns: 12 },
  )
})

test("says what a memory holds, and that it takes less room once it is compressed", async () => {
  const parent = await write(new Map([[1, 1]]))
  const memory = newMemoryId()
  const many = new Map(Array.from({ length: 300 }, (_, at) => [at, at % 3]))
  const written = await memories.write(memory, contentOf(many, parent))
  expect(written).toMatchObject({ pages: 200, template, parent, compressed: false })
  const compressed = await memories.compress(memory)
  expect(compressed).toMatchObject({ pages: 200, template, parent, compressed: true })
  expect(compressed.bytes).toBeLessThan(written.bytes / 4)
  expect(await memories.compress(memory)).toEqual(compressed)
  expect((await memories.list()).toSorted()).toEqual([parent, memory].toSorted())
  await memories.remove(memory)
  await memories.remove(memory)
  expect(await memories.facts(memory)).toBeUndefined()
})

test("finds each byte that was changed, and each that is missing", async () => {
  for (const compressed of [false, true]) {
    const memory = await write(
      new Map([
        [0, -1],
        [3, 0],
        [699, 2],
      ]),
    )
    if (compressed) await memories.compress(memory)
    const whole = await readFile(memories.path(memory))
    expect(await memories.examine(memory)).toBeUndefined()
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: whole.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        async (at, bits) => {
          const changed = Buffer.from(whole)
          changed.writeUInt8(changed.readUInt8(at) ^ bits, at)
          await writeFile(memories.path(memory), changed)
          expect(await memories.examine(memory)).toMatch(/^(it|its|one of its) /)
          await expect(remembered([memory])).rejects.toThrow(DamagedMemoryError)
          await truncate(memories.path(memory), at)
          expect(await memories.examine(memory)).toBeDefined()
          await expect(remembered([memory])).rejects.toThrow(DamagedMemoryError)
        },
      ),
      { numRuns: 60 },
    )
    // One that is compressed already is not looked at.
    if (!compressed) await expect(memories.compress(memory)).rejects.toThrow(DamagedMemoryError)
  }
})

test("takes no file for a memory that is none, whatever it claims", async () => {
  const memory = newMemoryId()
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
      const claim = Buffer.concat([Buffer.from("OSBXMEM\x01\xff\x0f\x00\x00", "latin1"), bytes])
      for (const content of [bytes, claim]) {
        await writeFile(memories.path(memory), content)
        expect(await memories.examine(memory)).toBeDefined()
        expect(await memories.facts(memory)).toBeUndefined()
      }
    }),
    { numRuns: 50 },
  )
})

test("makes nothing of memories that do not rest on each other", async () => {
  const [one, other] = [await write(new Map([[1, 1]])), await write(new Map([[1, 2]]))]
  const top = await write(new Map([[2, 2]]), one)
  await expect(remembered([top])).rejects.toThrow("it does not rest on the one that it should")
  await expect(remembered([other, top])).rejects.toThrow(DamagedMemoryError)
  await memories.remove(one)
  await expect(remembered([one, top])).rejects.toThrow(`memory ${one}: its file is missing`)
})

test("leaves nothing of a memory that could not be written or compressed, and clears up after a crash", async () => {
  const memory = await write(new Map([[1, -1]]))
  const stop = new AbortController()
  stop.abort()
  await expect(memories.compress(memory, stop.signal)).rejects.toThrow()
  expect(await readdir(directory)).toHaveLength(1)
  expect(await memories.examine(memory)).toBeUndefined()
  await (await open(`${memories.path(newMemoryId())}.unfinished`, "w")).close()
  expect(await memories.list()).toEqual([memory])
  await memories.removeUnfinished()
  expect(await readdir(directory)).toHaveLength(1)
})

test("goes on reading a memory that is compressed or removed meanwhile", async () => {
  const many = new Map(Array.from({ length: 600 }, (_, at) => [at, (at % 5) - 1]))
  const memory = await write(many)
  const chain = await MemoryChain.open(memories, [memory])
  await memories.compress(memory)
  await memories.remove(memory)
  await chain.verify()
  let written = 0
  await chain.writeTo({
    pageCount: guestPages,
    write: (numbers) => {
      written += numbers.length
      return Promise.resolve()
    },
  })
  await chain.close()
  expect(written).toBe(600)
})
