import { join } from "node:path"
import { ImageShelf, MachineRoom, type Accelerator } from "@opensandbox/vm"
import type { Logger } from "pino"
import { Scratch } from "../archive/scratch.js"
import type { ServerConfig } from "../config.js"
import { Compactor } from "../layers/compactor.js"
import { LayerHealth } from "../layers/layer-health.js"
import { LayerRemoval } from "../layers/layer-removal.js"
import { LayerStore } from "../layers/layer-store.js"
import { Alarms, realTime } from "../lifetime/alarms.js"
import { MemoryCompressor } from "../memories/memory-compressor.js"
import { MemoryRemoval } from "../memories/memory-removal.js"
import { MemoryStore } from "../memories/memory-store.js"
import type { Metrics } from "../metrics.js"
import type { Database } from "../store/database.js"
import { PauseStore } from "../pausing/pause-store.js"
import { DiskReserve } from "../storage/disk-reserve.js"
import { hasSpace } from "../storage/space.js"
import type { SandboxService } from "./sandbox-service.js"
import { SandboxStore } from "./sandbox-store.js"
import type { PortOpener } from "./registry.js"
import { RunMarker } from "./run-marker.js"
import { Sandboxes } from "./sandboxes.js"
import { defaultSize } from "./size.js"
import { keepMachinesWarm } from "./warm-machines.js"

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
  const { dataDirectory, cacheDirectory, durability, memoryMiB, maxOutputBytes, retention, idleTimeout } =
    config
  const marker = await RunMarker.set(dataDirectory)
  const reserve = await DiskReserve.open(dataDirectory)
  const images = new ImageShelf(join(dataDirectory, "images"))
  const image = await images.add(config.imageDirectory)
  const room = await MachineRoom.open({
    dataDirectory,
    cacheDirectory,
    image,
    size: defaultSize,
    durability,
    budgetMiB: memoryMiB,
  })
  log.info(
    { image: image.key, ...room.choice, memoryMiB: room.budget.totalMiB, limits: room.limits.held },
    "machines can start",
  )
  if (room.limits.reason !== undefined) {
    log.warn(
      { reason: room.limits.reason },
      "the host's kernel does not hold machines to their size; only QEMU does",
    )
  }
  const layers = new LayerStore(parts.database)
  const removal = new LayerRemoval({ layers, room, log })
  const layerMeans = { layers, room, images, removal, metrics, log }
  const health = new LayerHealth(layerMeans)
  const memories = new MemoryStore(parts.database)
  const memoryRemoval = new MemoryRemoval({ memories, room, log })
  const means = {
    ...layerMeans,
    memories,
    memoryRemoval,
    compressor: new MemoryCompressor(
      { memories, room, log, hasSpace: (bytes) => hasSpace(dataDirectory, bytes) },
      memoryRemoval,
    ),
    store: new SandboxStore(parts.database),
    health,
    pauses: new PauseStore(parts.database),
    compactor: new Compactor(layerMeans, health),
    dataDirectory,
    reserve,
    scratch: await Scratch.open(join(dataDirectory, "scratch")),
    maxOutputBytes,
    retention,
    idleTimeout,
    alarms: new Alarms(realTime),
    unclean: marker.unclean,
  }
  const sandboxes = await Sandboxes.open(means, parts.ports, image, config.maxSandboxes)
  // After the recovery, which ends the machines that nobody knows.
  await keepMachinesWarm(config.poolSize, means)
  return {
    service: sandboxes,
    accelerator: room.choice.accelerator,
    close: async () => {
      await Promise.all([sandboxes.close(), room.close()])
      await marker.clear()
    },
  }
}
