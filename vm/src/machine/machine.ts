import { z } from "zod"
import type { AgentConnection, ExecRequest, Execution, OutputHandler } from "../agent/connection.js"
import type { LayerId } from "../disk/layer.js"
import { QmpError, type QmpClient } from "../qmp/client.js"
import { consoleBytes, consoleDevice, layerNode, sandboxDisk, type ChainLink } from "./command-line.js"
import { mergeLayers, type Merge } from "./merge.js"
import type { MachineProcess } from "./process.js"

/** Names a machine: also its directory. */
export type MachineId = string

/** How long a machine that was asked to quit may take before it is killed. */
const quitMilliseconds = 2_000

const blockDevices = z.array(
  z.object({
    qdev: z.string().default(""),
    inserted: z.object({ "node-name": z.string() }).optional(),
  }),
)

const blockStatistics = z.array(
  z.object({
    qdev: z.string().default(""),
    stats: z.object({ wr_operations: z.number(), unmap_operations: z.number() }),
  }),
)

/**
 * A running virtual machine: the owner of a process, its sockets and its directory.
 * When the process ends for whatever reason, `ended` settles and nothing of it is left.
 */
export class Machine {
  readonly id: MachineId
  readonly agent: AgentConnection
  /** Settles when the process is gone and its directory is removed; rejects when the kernel does not let go of it. */
  readonly ended: Promise<void>
  readonly #process: MachineProcess
  readonly #qmp: QmpClient
  readonly #stallListeners = new Set<() => void>()
  #head: LayerId
  #next: LayerId | undefined
  #stalled = false

  constructor(id: MachineId, process: MachineProcess, qmp: QmpClient, agent: AgentConnection, head: LayerId) {
    this.id = id
    this.agent = agent
    this.#process = process
    this.#qmp = qmp
    this.#head = head
    qmp.onEvent(({ event, data }) => {
      if (event === "BLOCK_IO_ERROR" && data["action"] === "stop") this.#stall()
    })
    // The monitor closes when the process ends. A monitor that closes by itself belongs to a machine that nobody
    // can steer any more, so it ends too; so does one whose agent broke the protocol.
    this.ended = Promise.race([qmp.closed, agent.closed]).then(() => this.kill())
  }

  get pid(): number {
    return this.#process.pid
  }

  /** The layer that takes the guest's writes. */
  get head(): LayerId {
    return this.#head
  }

  /** Whether a layer is ready for the next `seal`. */
  get prepared(): boolean {
    return this.#next !== undefined
  }

  /** Whether the machine has come to its end, which `ended` tells a little later, when all is cleaned up. */
  get ending(): boolean {
    return !this.agent.open || !this.#qmp.open || !this.#process.running
  }

  /** Whether the machine stands still because the host's disk took no more writes. Nothing is lost; see `resume`. */
  get stalled(): boolean {
    return this.#stalled
  }

  /** Calls `listener` when the machine comes to stand still; the answer ends that. */
  onStall(listener: () => void): () => void {
    this.#stallListeners.add(listener)
    return () => this.#stallListeners.delete(listener)
  }

  /** Lets a stalled machine try its writes again. It stalls again when there is still no room. */
  async resume(): Promise<void> {
    this.#stalled = false
    await this.#qmp.execute("cont")
  }

  /** Runs a command in the guest. */
  exec(request: ExecRequest, handlers: { onStdout: OutputHandler; onStderr: OutputHandler }): Execution {
    return this.agent.exec(request, handlers)
  }

  /**
   * Opens an empty layer ahead of time, so that `seal` need not. It stands beside the chain, resting on nothing,
   * until then.
   */
  async prepare(next: ChainLink & { node: LayerId }): Promise<void> {
    await this.#qmp.execute("blockdev-add", layerNode(next, null, false))
    this.#next = next.node
  }

  /**
   * Seals the head: from one point in time on the guest writes to the prepared layer, and the old head never changes
   * again. What the guest has synced before is in it. The guest is not paused.
   *
   * @returns the layer that was sealed.
   * @throws Error when no layer was prepared.
   */
  async seal(): Promise<LayerId> {
    const next = this.#next
    if (next === undefined) throw new Error("no layer was prepared")
    await this.#qmp.execute("blockdev-snapshot", { node: this.#head, overlay: next })
    const sealed = this.#head
    this.#head = next
    this.#next = undefined
    return sealed
  }

  /** Forgets a layer that was prepared, perhaps by an earlier server, and not sealed on to. */
  async discard(prepared: LayerId): Promise<void> {
    try {
      await this.#qmp.execute("blockdev-del", { "node-name": prepared })
    } catch (error) {
      // It was never opened in this machine.
      if (!(error instanceof QmpError)) throw error
    }
  }

  /**
   * How often the guest has changed its disk since the machine started, by the host's own count. What the guest has
   * synced is in it: when the count stands still between two syncs, so did the disk.
   */
  async writes(): Promise<number> {
    const devices = blockStatistics.parse(await this.#qmp.execute("query-blockstats"))
    const statistics = devices.find((device) => device.qdev.includes(sandboxDisk))?.stats
    if (statistics === undefined) throw new Error("the machine has no disk")
    return statistics.wr_operations + statistics.unmap_operations
  }

  /** Shortens the chain; see `mergeLayers`. */
  merge(merge: Merge, cancelled: AbortSignal): Promise<void> {
    return mergeLayers(this.#qmp, merge, cancelled)
  }

  /** Ends the machine in order: what the guest has written so far is on its disk, then the process quits. */
  async stop(syncMilliseconds: number): Promise<void> {
    try {
      if (!this.#stalled) await this.agent.sync(syncMilliseconds)
      await this.#qmp.execute("quit", {}, quitMilliseconds)
      await this.#process.gone(quitMilliseconds)
    } catch {
      // A guest that does not sync in time loses what it had not synced, as at a loss of power.
    }
    await this.kill()
  }

  /** Ends the machine at once. The disk keeps what had reached it. */
  async kill(): Promise<void> {
    await this.#process.kill()
    this.agent.close()
    this.#qmp.close()
  }

  #stall(): void {
    this.#stalled = true
    for (const listener of this.#stallListeners) listener()
  }
}

/** The layer that a running machine writes to, from its own mouth. */
export async function headOf(qmp: QmpClient): Promise<LayerId | undefined> {
  const devices = blockDevices.parse(await qmp.execute("query-block"))
  return devices.find((device) => device.qdev.includes(sandboxDisk))?.inserted?.["node-name"]
}

export async function readConsole(qmp: QmpClient): Promise<string> {
  return z.string().parse(await qmp.execute("ringbuf-read", { device: consoleDevice, size: consoleBytes }))
}
