import type { MachineRoom } from "@opensandbox/vm"
import type { Logger } from "pino"
import type { MemoryStore } from "./memory-store.js"

/** What the keeping of memories works with. */
export interface MemoryMeans {
  readonly memories: MemoryStore
  readonly room: MachineRoom
  readonly log: Logger
}
