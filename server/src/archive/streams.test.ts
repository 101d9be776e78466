import { Readable } from "node:stream"
import { expect, test, vi } from "vitest"
import { Failure } from "../failure.js"
import { bytesOf, zstdProcesses } from "../testing/archive-world.js"
import { outgoing } from "./outgoing.js"
import { compress, decompress, ZstdError } from "./zstd.js"

async function contentOf(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const all = []
  for await (const piece of pieces) all.push(piece)
  return Buffer.concat(all)
}

test("zstd gives back what it was given", async () => {
  const bytes = Buffer.from("some words ".repeat(100_000))
  const packed = await contentOf(compress(Readable.from([bytes])).output)
  expect(packed.length).toBeLessThan(bytes.length / 10)
  const unpacked = await contentOf(decompress(Readable.from([packed])).output)
  expect(unpacked.equals(bytes)).toBe(true)
})

test("zstd tells its own failure from its source's", async () => {
  await expect(contentOf(decompress(Readable.from([Buffer.from("junk")])).output)).rejects.toThrow(ZstdError)
  async function* failing() {
    yield Buffer.from("some words")
    await Promise.reject(new Failure("timeout", "late"))
  }
  for (const run of [compress, decompress]) {
    await expect(contentOf(run(Readable.from(failing())).output)).rejects.toThrow("late")
  }
})

test("zstd ends when it is stopped, with its source, however often", async () => {
  let closed = false
  async function* endless() {
    try {
      for (;;) yield await Promise.resolve(Buffer.alloc(100_000, "x"))
    } finally {
      closed = true
    }
  }
  const zstd = compress(Readable.from(endless()))
  await zstd.output[Symbol.asyncIterator]().next()
  await zstd.stop()
  await zstd.stop()
  expect(closed).toBe(true)
  expect(await zstdProcesses()).toEqual([])
})

test("a reader gets all, and a failure of the source", async () => {
  const end = vi.fn(() => Promise.resolve())
  const pieces = ["a", "b", "c"].map((text) => Buffer.from(text))
  expect((await bytesOf(outgoing(Readable.from(pieces), end))).toString()).toBe("abc")
  expect(end).toHaveBeenCalledTimes(1)
  async function* failing() {
    yield Buffer.from("a")
    await Promise.reject(new Error("the disk is gone"))
  }
  await expect(bytesOf(outgoing(failing(), end))).rejects.toThrow("the disk is gone")
  expect(end).toHaveBeenCalledTimes(2)
})
