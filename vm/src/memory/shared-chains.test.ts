import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, expect, test } from "vitest"
import type { MemoryChain } from "./memory-chain.js"
import { MemoryDirectory } from "./memory-directory.js"
import { DamagedMemoryError, newMemoryId, type MemoryId } from "./memory.js"
import { hashPage, pageBytes } from "./page.js"
import { PageIndex } from "./page-index.js"
import { SharedChains } from "./shared-chains.js"

const content = new Uint8Array(pageBytes).fill(7)

let directory: string
let memories: MemoryDirectory
let shared: SharedChains
let memory: MemoryId

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "memories-"))
  memories = new MemoryDirectory(directory, "disk")
  shared = new SharedChains(memories)
  memory = newMemoryId()
  await memories.write(memory, {
    header: { template: "0123456789abcdef", parent: null, guestPages: 4 },
    index: new PageIndex(Uint32Array.from([2]), hashPage(content)),
    devices: Buffer.from("as QEMU wrote them"),
    pages: [content],
  })
})

afterEach(() => rm(directory, { recursive: true }))

/** What a guest gets of a chain. */
async function written(chain: MemoryChain): Promise<[number[], Buffer]> {
  const numbers: number[] = []
  const contents: Uint8Array[] = []
  await chain.verify()
  await chain.writeTo({
    pageCount: 4,
    write: (pages, parts) => {
      numbers.push(...pages)
      contents.push(...parts)
      return Promise.resolve()
    },
  })
  return [numbers, Buffer.concat(contents)]
}

test("those who use a chain at the same time have it open together, and each guest gets all of it", async () => {
  const used: MemoryChain[] = []
  const uses = [1, 2, 3].map(() =>
    shared.use([memory], (chain) => {
      used.push(chain)
      return written(chain)
    }),
  )
  for (const guest of await Promise.all(uses)) expect(guest).toEqual([[2], Buffer.from(content)])
  expect(new Set(used).size).toBe(1)
})

test("the last one closes it, and the next one opens it anew", async () => {
  const first = await shared.use([memory], (chain) => Promise.resolve(chain))
  await expect(written(first)).rejects.toThrow()
  const second = await shared.use([memory], async (chain) => {
    await written(chain)
    return chain
  })
  expect(second).not.toBe(first)
})

test("one who fails leaves it open for the others", async () => {
  let fail: () => void = () => undefined
  const failing = shared.use(
    [memory],
    () =>
      new Promise((_, reject) => {
        fail = () => {
          reject(new Error("no room"))
        }
      }),
  )
  const other = shared.use([memory], async (chain) => {
    fail()
    await expect(failing).rejects.toThrow("no room")
    return written(chain)
  })
  expect(await other).toEqual([[2], Buffer.from(content)])
})

test("all are told when it is damaged, and those who come later look again", async () => {
  const missing = newMemoryId()
  const uses = [1, 2].map(() => shared.use([missing], written))
  for (const use of uses) await expect(use).rejects.toThrow(DamagedMemoryError)
  await expect(shared.use([memory], written)).resolves.toBeDefined()
})
