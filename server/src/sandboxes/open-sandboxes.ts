import { join } from "node:path"
import { ImageShelf, MachineRoom, type Accelerator } from "@opensandbox/vm"
import PQueue from "p-queue"
import type { Logger } from "pino"
import type { ServerConfig } from "../config.js"
import type { Metrics } from "../metrics.js"
import type { Database } from "../store/database.js"
import { DiskReserve } from "./disk-reserve.js"
import type { SandboxService } from "./sandbox-service.js"
import { SandboxStore } from "./sandbox-store.js"
import { Sandboxes, type PortOpener } from "./sandboxes.js"

/** Memory of each machine. */
const memoryMiB = 512

/** The sandboxes of a running server. */
export interface OpenSandboxes {
  readonly service: SandboxService
  /** What runs the guests' instructions. */
  readonly accelerator: Accelerator
  /** Ends all machines in order. */
  close(): Promise<void>
}

/**
 * Makes machines possible (image, accelerator, template) and opens the sandboxes of the data directory.
 *
 * @throws Error that says what to do when there is no image or QEMU, or the guest does not boot.
 */
export async function openSandboxes(parts: {
  database: Database
  ports: PortOpener
  config: ServerConfig
  metrics: Metrics
  log: Logger
}): Promise<OpenSandboxes> {
  const { config, metrics, log } = parts
  const { dataDirectory, cacheDirectory } = config
  const reserve = await DiskReserve.open(dataDirectory)
  const images = new ImageShelf(join(dataDirectory, "images"))
  const image = await images.add(config.imageDirectory)
  const room = await MachineRoom.open({ dataDirectory, cacheDirectory, image, memoryMiB })
  log.info({ image: image.key, ...room.choice }, "machines can start")
  const store = new SandboxStore(parts.database)
  const merges = new PQueue({ concurrency: 1 })
  const { maxOutputBytes } = config
  const means = { store, room, images, dataDirectory, reserve, merges, metrics, log, maxOutputBytes }
  const sandboxes = await Sandboxes.open(means, parts.ports, image, config.maxSandboxes)
  return { service: sandboxes, accelerator: room.choice.accelerator, close: () => sandboxes.close() }
}
