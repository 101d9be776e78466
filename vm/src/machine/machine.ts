import { z } from "zod"
import type { AgentConnection, ExecRequest, Execution, OutputHandler } from "../agent/connection.js"
import { GuestProcesses } from "../agent/guest-processes.js"
import { clusterBits } from "../disk/layer-directory.js"
import type { LayerId } from "../disk/layer.js"
import type { MemoryFacts, MemoryId } from "../memory/memory.js"
import type { GuestNetwork } from "../network/guest-network.js"
import type { QmpClient } from "../qmp/client.js"
import { consoleBytes, consoleDevice, sandboxDisk } from "./command-line.js"
import type { DiskChain, RewrittenLayer } from "./disk-chain.js"
import type { MachineMemory } from "./machine-memory.js"
import type { MachineProcess } from "./process.js"
import { goOn, standStill } from "./standstill.js"

/** Names a machine: also its directory. */
export type MachineId = string

/** How long a machine that was asked to quit may take before it is killed. */
const quitMilliseconds = 2_000

const blockStatistics = z.array(
  z.object({
    qdev: z.string().default(""),
    stats: z.object({ wr_operations: z.number(), unmap_operations: z.number() }),
    /** The file below the topmost node, where there is one. */
    parent: z.object({ stats: z.object({ wr_highest_offset: z.number() }) }).optional(),
  }),
)

/** How much a machine has changed its disk, by the host's own count. */
interface DiskActivity {
  /**
   * How often the guest has changed it since the machine started. What the guest has synced is in it: when the count
   * stands still between two syncs, so did the disk.
   */
  readonly writes: number
  /** Whether nothing was ever written to the head's file since it was opened. */
  readonly headIsUntouched: boolean
}

/**
 * A running virtual machine: the owner of a process, its sockets and its directory.
 * When the process ends for whatever reason, `ended` settles and nothing of it is left.
 */
export class Machine {
  readonly id: MachineId
  readonly agent: AgentConnection
  /** The guest's processes that outlive connections to it. */
  readonly processes: GuestProcesses
  /** Settles when the process is gone and its directory is removed; rejects when the kernel does not let go of it. */
  readonly ended: Promise<void>
  readonly #process: MachineProcess
  readonly #qmp: QmpClient
  readonly #disk: DiskChain
  readonly #memory: MachineMemory
  readonly #network: GuestNetwork | undefined
  readonly #stallListeners = new Set<() => void>()
  readonly #goneListeners = new Set<() => void | Promise<void>>()
  #gone = false
  #stalled = false
  #halted = false

  constructor(
    id: MachineId,
    process: MachineProcess,
    qmp: QmpClient,
    agent: AgentConnection,
    disk: DiskChain,
    memory: MachineMemory,
    network?: GuestNetwork,
  ) {
    this.id = id
    this.agent = agent
    this.processes = new GuestProcesses(agent)
    this.#process = process
    this.#qmp = qmp
    this.#disk = disk
    this.#memory = memory
    this.#network = network
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
    return this.#disk.head
  }

  /** The `id` of the template that it is a clone of. */
  get template(): string {
    return this.#memory.template
  }

  /** The memory that the next one can rest on: the last that was taken of it, or that it was resumed from. */
  get memory(): MemoryId | undefined {
    return this.#memory.last
  }

  /** Whether a layer is ready for the next `seal`. */
  get prepared(): boolean {
    return this.#disk.prepared
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
    return () => {
      this.#stallListeners.delete(listener)
    }
  }

  /** Has `listener` called once nothing of the process is left, before `kill` or `stop` is fulfilled. */
  onGone(listener: () => void | Promise<void>): void {
    if (this.#gone) void listener()
    else this.#goneListeners.add(listener)
  }

  /** Lets a stalled machine try its writes again, or a halted one go on. It stalls again when there is still no room. */
  async resume(): Promise<void> {
    this.#stalled = false
    if (this.#halted) {
      this.#halted = false
      await goOn({ qmp: this.#qmp, agent: this.agent })
    } else await this.#qmp.execute("cont")
  }

  /** Runs a command in the guest. */
  exec(request: ExecRequest, handlers: { onStdout: OutputHandler; onStderr: OutputHandler }): Execution {
    return this.agent.exec(request, handlers)
  }

  /** Opens an empty layer ahead of time, so that `seal` need not. */
  async prepare(layer: LayerId, path: string): Promise<void> {
    await this.#disk.prepare(layer, path)
  }

  /** Seals the head; see `DiskChain.seal`. What the guest has synced before is in the sealed layer. */
  async seal(): Promise<LayerId> {
    return this.#disk.seal()
  }

  /**
   * Takes memory, devices and disk of one instant, for which the guest is paused: some 20 ms, and 3 ms more for each MB that
   * it has to itself. What the guest has not synced before is in its memory alone. When this resolves, the memory survives
   * what the durability says.
   *
   * @param memory Names it.
   * @param parent The memory to rest on, if it still is `this.memory`; otherwise it rests on the template.
   * @param halt Whether the machine stands still afterwards, until `resume`. Not so when this fails.
   * @returns the layer that was sealed, null when the head was empty and still is the head; what the memory's file says;
   *   how long the guest stood still.
   * @throws AgentError with code `bad_request` when the image's agent is too old for it. Error when there is no layer for
   *   what comes next, or no room for the memory; whether the disk was sealed nevertheless is told by `head`.
   */
  async sealWhole(
    memory: MemoryId,
    { parent, halt = false }: { parent?: MemoryId | undefined; halt?: boolean } = {},
  ): Promise<{ layer: LayerId | null; memory: MemoryFacts; pausedMs: number }> {
    if (!this.prepared) throw new Error("no layer was prepared")
    if (this.#stalled) throw new Error("the machine stands still: No space left on the host's disk")
    const instant = await standStill(
      {
        process: this.#process,
        qmp: this.#qmp,
        agent: this.agent,
        disk: this.#disk,
        headIsUntouched: async () => (await this.activity()).headIsUntouched,
      },
      halt,
    )
    this.#halted = halt
    try {
      const facts = await this.#memory.keep(memory, parent, instant)
      return { layer: instant.layer, memory: facts, pausedMs: instant.pausedMs }
    } catch (error) {
      if (halt) await this.resume()
      throw error
    }
  }

  /** Reads a rewritten layer from its new file; see `DiskChain.rebase`. */
  async rebase(rewritten: RewrittenLayer): Promise<void> {
    await this.#disk.rebase(rewritten)
  }

  /**
   * Has the guest make all that was written so far part of the disk.
   *
   * @throws Error at once when the machine comes to stand still; AgentError, DeadlineError after `milliseconds`.
   */
  sync(milliseconds: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const stall = () => {
        reject(new Error("the machine stands still: No space left on the host's disk"))
      }
      const ignore = this.onStall(stall)
      if (this.#stalled) stall()
      const synced = this.agent.sync(milliseconds).finally(ignore)
      synced.then(() => {
        resolve()
      }, reject)
    })
  }

  /** How much the guest has changed its disk. */
  async activity(): Promise<DiskActivity> {
    const devices = blockStatistics.parse(await this.#qmp.execute("query-blockstats"))
    const device = devices.find((device) => device.qdev.includes(sandboxDisk))
    if (device === undefined) throw new Error("the machine has no disk")
    return {
      writes: device.stats.wr_operations + device.stats.unmap_operations,
      // The header is written anew when a guest is told how large its disk is, with what it held before.
      headIsUntouched: (device.parent?.stats.wr_highest_offset ?? Infinity) < 2 ** clusterBits,
    }
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
    // First, so that no connection outlives its guest whatever the kernel does.
    this.#network?.close()
    await this.#process.kill()
    this.agent.close()
    this.#qmp.close()
    this.#gone = true
    for (const listener of this.#goneListeners) {
      this.#goneListeners.delete(listener)
      await listener()
    }
  }

  #stall(): void {
    this.#stalled = true
    for (const listener of this.#stallListeners) listener()
  }
}

export async function readConsole(qmp: QmpClient): Promise<string> {
  return z.string().parse(await qmp.execute("ringbuf-read", { device: consoleDevice, size: consoleBytes }))
}
