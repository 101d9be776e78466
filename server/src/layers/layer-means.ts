import type { ImageShelf, MachineRoom } from "@opensandbox/vm"
import type { Logger } from "pino"
import type { Metrics } from "../metrics.js"
import type { LayerRemoval } from "./layer-removal.js"
import type { LayerStore } from "./layer-store.js"

/** What the keeping of layers works with. */
export interface LayerMeans {
  readonly layers: LayerStore
  readonly room: MachineRoom
  readonly images: ImageShelf
  readonly removal: LayerRemoval
  readonly metrics: Metrics
  readonly log: Logger
}
