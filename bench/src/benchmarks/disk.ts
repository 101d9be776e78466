import { readdir, stat } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import type { Benchmark } from "../benchmark.js"
import { expectSuccess } from "../expect-success.js"
import { repeat } from "../repetition.js"

/** A hundred bytes, with the line's end. */
const hundredBytes = `echo ${"x".repeat(99)} >> file`

export const disk: Benchmark = {
  title: "the disk space of snapshots",
  measure: async ({ client, dataDirectory }) => {
    const layers = join(dataDirectory, "layers")
    const { sandbox } = expectSuccess(await client.create("disk"))
    let before = 0
    const values = await repeat({ warmUp: 2, count: 20 }, async () => {
      expectSuccess(await sandbox.run(hundredBytes))
      const now = await settledBytes(layers)
      const added = (now - before) / 1e3
      before = now
      return added
    })
    expectSuccess(await sandbox.destroy())
    return [{ what: "disk of a snapshot after a change of 100 bytes", unit: "KB", values, target: 200 }]
  },
}

/** The layer for the next snapshot is made ready in the background: nothing may be on its way when it is counted. */
const quietMilliseconds = 200

const settleMilliseconds = 10_000

async function settledBytes(directory: string): Promise<number> {
  const end = performance.now() + settleMilliseconds
  let bytes = await allocatedBytes(directory)
  while (performance.now() < end) {
    await sleep(quietMilliseconds)
    const later = await allocatedBytes(directory)
    if (later === bytes) return bytes
    bytes = later
  }
  throw new Error(`the layers still grew after ${settleMilliseconds / 1000} s`)
}

/** What the files take on the disk, which is less than their length where they have holes. */
async function allocatedBytes(directory: string): Promise<number> {
  const names = (await readdir(directory)).filter((name) => name.endsWith(".qcow2"))
  const files = await Promise.all(names.map((name) => stat(join(directory, name))))
  // The unit of `blocks` is 512 bytes whatever the file system.
  return files.reduce((sum, { blocks }) => sum + blocks * 512, 0)
}
