import { createHash } from "node:crypto"
import type { GuestIdentity } from "@opensandbox/vm"
import type { Scratch } from "../archive/scratch.js"
import type { Retention } from "../config.js"
import type { Compactor } from "../layers/compactor.js"
import type { LayerHealth } from "../layers/layer-health.js"
import type { LayerMeans } from "../layers/layer-means.js"
import type { Alarms } from "../lifetime/alarms.js"
import type { MemoryCompressor } from "../memories/memory-compressor.js"
import type { MemoryRemoval } from "../memories/memory-removal.js"
import type { MemoryStore } from "../memories/memory-store.js"
import type { PauseStore } from "../pausing/pause-store.js"
import type { DiskReserve } from "../storage/disk-reserve.js"
import type { SandboxStore } from "./sandbox-store.js"

/** What every sandbox works with. */
export interface SandboxMeans extends LayerMeans {
  readonly store: SandboxStore
  readonly health: LayerHealth
  readonly pauses: PauseStore
  readonly compactor: Compactor
  readonly memories: MemoryStore
  readonly memoryRemoval: MemoryRemoval
  readonly compressor: MemoryCompressor
  readonly dataDirectory: string
  readonly reserve: DiskReserve
  readonly scratch: Scratch
  /** Bytes of each output stream of a command that are kept. */
  readonly maxOutputBytes: number
  /** The limits of sandboxes that have none of their own. */
  readonly retention: Retention
  /** Seconds without activity after which those are paused that have no timeout of their own; null for never. */
  readonly idleTimeout: number | null
  readonly alarms: Alarms
  /** Whether the server before this one came to a sudden end. */
  readonly unclean: boolean
}

/** What tells a sandbox's guest from all others; the same each time that it starts. */
export function guestIdentity(sandbox: { name: string; created_at: number }): GuestIdentity {
  const machineId = createHash("sha256")
    .update(`${sandbox.name} ${sandbox.created_at}`)
    .digest("hex")
    .slice(0, 32)
  return { hostname: sandbox.name, machineId }
}
