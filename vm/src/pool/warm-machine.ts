import { rm } from "node:fs/promises"
import { join } from "node:path"
import type { MachineCgroups } from "../cgroups/machine-cgroups.js"
import { emptyQcow2 } from "../disk/empty-qcow2.js"
import { clusterBits, type LayerDirectory } from "../disk/layer-directory.js"
import type { LayerId } from "../disk/layer.js"
import { writeSparseFile } from "../disk/sparse-file.js"
import type { ChainLink } from "../machine/command-line.js"
import type { MemoryDirectory } from "../memory/memory-directory.js"
import { DiskChain } from "../machine/disk-chain.js"
import type { Machine, MachineId } from "../machine/machine.js"
import {
  blankLink,
  endClone,
  guestDisk,
  setUp,
  wakeClone,
  type GuestIdentity,
  type WokenClone,
} from "../machine/start.js"
import { inNewDirectory } from "../machine/process.js"
import { AgentError } from "../agent/errors.js"
import type { Template } from "../template/template.js"
import type { Durability } from "../durability.js"
import type { PooledMachine } from "./machine-pool.js"

/** The disk of a machine that has none of a sandbox's yet, in the machine's own directory. */
const placeholder: ChainLink = { node: "placeholder", path: "placeholder.qcow2" }

/** A rehearsal takes some 300 ms under emulation, and more on a busy host. */
const rehearsalMilliseconds = 30_000

/** How long a guest that has nothing to do may take to say so. */
const pingMilliseconds = 2_000

/** A clone that runs, has rehearsed, and waits for a sandbox's disk. */
export class WarmMachine implements PooledMachine {
  readonly broken: Promise<void>
  /** What it is a clone of. */
  readonly template: Template
  readonly #clone: WokenClone
  readonly #durability: Durability

  private constructor(template: Template, clone: WokenClone, durability: Durability) {
    this.template = template
    this.#clone = clone
    this.#durability = durability
    this.broken = Promise.race([clone.qmp.closed, clone.agent.closed])
  }

  /**
   * Starts a clone ahead of time; some 250 ms under emulation, and as much for the rehearsal.
   *
   * @param directory Becomes its own.
   * @throws MachineStartError, AgentError, DeadlineError; nothing of it is left then.
   */
  static async make(
    directory: string,
    template: Template,
    durability: Durability,
    cgroups: MachineCgroups | undefined,
  ): Promise<WarmMachine> {
    const { diskBytes, blankDisk } = template.image
    // On the blank disk, so that the guest can rehearse with a file system.
    const empty = emptyQcow2(diskBytes, clusterBits, blankDisk)
    await inNewDirectory(directory, () => writeSparseFile(join(directory, placeholder.path), empty))
    const clone = await wakeClone(
      directory,
      template,
      [blankLink(template), placeholder],
      durability,
      "none",
      cgroups,
    )
    try {
      await rehearse(clone)
      return new WarmMachine(template, clone, durability)
    } catch (error) {
      await endClone(clone)
      throw error
    }
  }

  get usable(): boolean {
    const { process, qmp, agent } = this.#clone
    return process.running && qmp.open && agent.open
  }

  /**
   * Makes it the machine `id`, on a disk of its own. It is this machine's end when it cannot be.
   *
   * @param directory Becomes its own in the place of the present one.
   * @param layers From the oldest to the writable head.
   * @throws Error; nothing of it is left then.
   */
  async adopt(
    id: MachineId,
    directory: string,
    disk: LayerDirectory,
    memories: MemoryDirectory,
    layers: readonly LayerId[],
    identity: GuestIdentity | undefined,
  ): Promise<Machine> {
    const clone = this.#clone
    const chain = layers.map((layer) => ({ node: layer, path: disk.path(layer) }))
    try {
      await clone.process.move(directory)
      const [opened] = await Promise.all([
        DiskChain.replacing(placeholder.node, clone.qmp, this.#durability, chain),
        // Better found out now than after as long as a mount may take.
        clone.agent.ping(pingMilliseconds),
      ])
      const [machine] = await Promise.all([
        setUp(id, clone, memories, opened, identity),
        rm(join(directory, placeholder.path)),
      ])
      return machine
    } catch (error) {
      await endClone(clone)
      throw error
    }
  }

  end(): Promise<void> {
    return endClone(this.#clone)
  }
}

/** An agent that knows no rehearsal is as good, only slower at first. */
async function rehearse({ agent }: WokenClone): Promise<void> {
  try {
    await agent.rehearse(guestDisk, rehearsalMilliseconds)
  } catch (error) {
    if (!(error instanceof AgentError && error.code === "bad_request")) throw error
  }
}
