import { randomBytes } from "node:crypto"
import { join } from "node:path"
import type { MachineCgroups } from "../cgroups/machine-cgroups.js"
import type { LayerDirectory } from "../disk/layer-directory.js"
import type { MemoryDirectory } from "../memory/memory-directory.js"
import type { LayerId } from "../disk/layer.js"
import type { Image } from "../image.js"
import type { Machine, MachineId } from "../machine/machine.js"
import { MachineStartError, MachineCrashError, type GuestIdentity } from "../machine/start.js"
import type { Template } from "../template/template.js"
import { availableMemory, hostIsIdle } from "./host-load.js"
import { MachinePool } from "./machine-pool.js"
import { WarmMachine } from "./warm-machine.js"

/** Below so many times a machine's memory that the host has left, no machine is kept for later. */
const memoryReserve = 2

/** How machines are kept ready. */
export interface WarmOptions {
  /** How many at most. None are kept while the host is short of memory. */
  readonly size: number
  /** Whether the disk has room for what a machine writes before it is used; some megabytes. */
  readonly hasSpace: () => Promise<boolean>
  /** Is told of each start whether it took a machine that was ready, or cloned the template. */
  readonly onStart: (from: "pool" | "template") => void
  /** Is told of machines that could not be made, used or ended; nobody else suffers from that. */
  readonly onTrouble: (error: unknown) => void
}

/** A start as it would be without any machine that is ready. */
interface ColdStart {
  readonly id: MachineId
  readonly directory: string
  readonly template: Template
  readonly image: Image
  readonly layers: readonly LayerId[]
  readonly identity: GuestIdentity | undefined
  readonly cold: () => Promise<Machine>
}

/** What warm starts work with. */
interface WarmMeans {
  /** The directory of machines. */
  readonly machines: string
  /** The template of the machines that are kept. */
  readonly template: Template
  /** Gives it as it is now: it may have gone with the cache, and have been made anew. */
  readonly latest: () => Promise<Template>
  readonly disk: LayerDirectory
  readonly memories: MemoryDirectory
  /** How many machines there is memory for that nobody else has asked for. */
  readonly room: () => number
  readonly cgroups: MachineCgroups | undefined
}

/** Starts machines from a pool of clones of one template, and those that it has none for from their own. */
export class WarmStarts {
  readonly #means: WarmMeans
  readonly #options: WarmOptions
  readonly #pool: MachinePool<WarmMachine>

  constructor(means: WarmMeans, options: WarmOptions) {
    this.#means = means
    this.#options = options
    this.#pool = new MachinePool({
      size: options.size,
      make: () => this.#make(),
      allowed: () => this.#allowed(),
      hostIsIdle,
      onTrouble: options.onTrouble,
    })
  }

  /** How many machines are ready. */
  get machines(): number {
    return this.#pool.size
  }

  /** Starts a machine; from the pool, if there is one that fits. @throws MachineStartError, as a cold start does. */
  start(request: ColdStart): Promise<Machine> {
    return this.#pool.during(async () => {
      const machine = await this.#fromPool(request)
      // What is started counts now, and those that wait have to make room for it.
      await this.#pool.trim()
      this.#options.onStart(machine === undefined ? "template" : "pool")
      return machine ?? request.cold()
    })
  }

  /** Starts a machine that none of those that wait could be. They make room for it, and no other is made meanwhile. */
  beside(start: () => Promise<Machine>): Promise<Machine> {
    return this.#pool.during(async () => {
      await this.#pool.trim()
      return start()
    })
  }

  close(): Promise<void> {
    return this.#pool.close()
  }

  async #make(): Promise<WarmMachine> {
    const { machines, latest, disk, cgroups } = this.#means
    return WarmMachine.make(join(machines, warmMachineName()), await latest(), disk.durability, cgroups)
  }

  async #allowed(): Promise<number> {
    const { template, room } = this.#means
    if ((await availableMemory()) < memoryReserve * template.memoryMiB * 2 ** 20) return 0
    // Those that are there may help a sandbox to give room back.
    return (await this.#options.hasSpace()) ? room() : Math.min(room(), this.machines)
  }

  async #fromPool(request: ColdStart): Promise<Machine | undefined> {
    const { id, directory, template, image, layers, identity } = request
    // A placeholder is as large as the blank disk, and a guest has seen how large its disk is.
    if (template.key !== this.#means.template.key || image.diskBytes !== image.blankBytes) return undefined
    const warm = this.#pool.take()
    try {
      // Made of another template under the same key, which is in no cache any more.
      if (warm !== undefined && warm.template.id !== template.id) {
        await warm.end()
        return undefined
      }
      const { disk, memories } = this.#means
      return await warm?.adopt(id, directory, disk, memories, layers, identity)
    } catch (error) {
      this.#options.onTrouble(error)
      // A guest that runs and cannot mount the disk would say so again.
      if (error instanceof MachineStartError && !(error instanceof MachineCrashError)) throw error
      return undefined
    }
  }
}

/** Told apart from the names of machines that belong to somebody. */
function warmMachineName(): string {
  return `w${randomBytes(6).toString("hex")}`
}
