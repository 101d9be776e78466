import { beforeEach, expect, test } from "vitest"
import type { MemoryRow } from "../store/tables.js"
import { MemoryCompressor } from "./memory-compressor.js"

const size = 100

let free: number
let asked: number
let compressed: string[]
let compressor: MemoryCompressor

function row(id: string): MemoryRow {
  const state = compressed.includes(id) ? "compressed" : "written"
  const facts = {
    parent_id: null,
    template: "0123456789abcdef",
    depth: 1,
    pages: 1,
    damage: null,
    created_at: 0,
  }
  return { ...facts, id, state, bytes: size }
}

beforeEach(() => {
  free = 10 * size
  asked = 0
  compressed = []
  const memories = {
    all: () => Promise.resolve(["left", "done"].map(row)),
    find: (id: string) => Promise.resolve(row(id)),
    setCompressed: (id: string) => {
      compressed.push(id)
      return Promise.resolve()
    },
  }
  const facts = { bytes: size / 2, pages: 1, template: "0123456789abcdef", parent: null, compressed: true }
  const hasSpace = (bytes: number) => {
    asked += 1
    return Promise.resolve(bytes <= free)
  }
  const log = { warn: () => undefined }
  const room = { memories: { compress: () => Promise.resolve(facts) } }
  compressor = new MemoryCompressor({ memories, room, log, hasSpace }, { add: () => undefined })
})

test("compresses what an earlier server did not get to, and what it is given, each once", async () => {
  compressed = ["done"]
  await compressor.resume()
  compressor.add("new")
  compressor.add("new")
  await expect.poll(() => compressed).toEqual(["done", "left", "new"])
})

test("takes no room that is not there, and makes up for it with the next memory when there is", async () => {
  free = size - 1
  compressor.add("early")
  await expect.poll(() => asked).toBe(1)
  expect(compressed).toEqual([])
  free = size
  compressor.add("late")
  await expect.poll(() => compressed).toEqual(["early", "late"])
})

test("begins nothing more once it is closed", async () => {
  const closed = compressor.close()
  compressor.add("late")
  await closed
  await compressor.close()
  expect([asked, compressed]).toEqual([0, []])
})
