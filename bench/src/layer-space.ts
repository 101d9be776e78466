import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { allocatedBytes } from "./allocated-bytes.js"
import type { Bench } from "./benchmark.js"

/** The layer for the next snapshot is made ready in the background: nothing may be on its way when it is counted. */
const quietMilliseconds = 500

/** Compaction that lags a thousand snapshots behind has caught up by then. */
const settleMilliseconds = 300_000

/** What all layers of a server take on the disk, in bytes, once it neither makes nor compacts any. */
export async function settledLayerBytes({
  dataDirectory,
  metrics,
}: Pick<Bench, "dataDirectory" | "metrics">): Promise<number> {
  const layers = join(dataDirectory, "layers")
  const end = performance.now() + settleMilliseconds
  let bytes = await allocatedBytes(layers)
  while (performance.now() < end) {
    await sleep(quietMilliseconds)
    const { opensandbox_compactions_waiting: waiting } = await metrics.read("opensandbox_compactions_waiting")
    const later = await allocatedBytes(layers)
    if (waiting === 0 && later === bytes) return bytes
    bytes = later
  }
  throw new Error(`the layers were still being written to after ${settleMilliseconds / 1000} s`)
}
