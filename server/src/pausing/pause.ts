import { failpoint } from "#failpoint"
import { newLayerId, type Machine } from "@opensandbox/vm"
import { restAfterStart, type Rest } from "../sandboxes/rest.js"
import type { SandboxMeans } from "../sandboxes/means.js"
import type { SealedMachine } from "../sandboxes/sandbox-store.js"
import { giveUp, resumeMachine, type Resumption } from "../sandboxes/whole-machine.js"
import { imageOf } from "../sandboxes/size.js"
import type { SandboxRow } from "../store/tables.js"

/** What is told of a sandbox whose memory is damaged. */
const lostMemory =
  "Its memory was found damaged when it was resumed: it started from its disk, without the processes that it had."

type StartFromDisk = (machineId: string, layer: string | null, head: string) => Promise<Machine>

/**
 * What one sandbox has in the place of its machine while it is paused: a memory, and the layer below its empty head, of
 * one instant. Its methods are called one at a time; `MachineKeeper` sees to it.
 */
export class Pause {
  readonly #sandbox: SandboxRow
  readonly #means: SandboxMeans
  #isOn: boolean
  #degraded: string | null

  constructor(sandbox: SandboxRow, means: SandboxMeans) {
    this.#sandbox = sandbox
    this.#means = means
    this.#isOn = sandbox.paused_memory_id !== null
    this.#degraded = sandbox.degraded
  }

  get isOn(): boolean {
    return this.#isOn
  }

  /** What was lost when it was last resumed, for people; null when nothing was. */
  get degraded(): string | null {
    return this.#degraded
  }

  /**
   * Records that a machine which stands still is over: what it was is in what was sealed. Where that fails the machine
   * goes on.
   */
  async begin(machine: Machine, sealed: SealedMachine): Promise<void> {
    const { pauses, reserve, compressor } = this.#means
    try {
      await reserve.giveWhenFull()
      await pauses.pause(this.#sandbox.id, sealed)
    } catch (error) {
      await this.#goOn(machine, sealed)
      throw error
    }
    this.#became(true, null)
    compressor.add(sealed.memory.id)
  }

  /**
   * Has a machine go on where the sandbox was paused. Nothing has changed until it runs.
   *
   * @param startFromDisk Starts one on a layer and an empty head: for when the memory is damaged.
   */
  async end(startFromDisk: StartFromDisk): Promise<{ machine: Machine; rest: Rest }> {
    const { pauses, room, images, reserve, removal, memoryRemoval, metrics } = this.#means
    const { memory, layer } = await pauses.find(this.#sandbox.id)
    const machineId = room.newMachineId()
    const head = newLayerId()
    let machine: Machine | undefined
    try {
      await room.disk.create(head, layer, await imageOf(this.#sandbox, images))
      failpoint("resume.head-made")
      machine = await this.#resumed(machineId, { layer, memory, head })
      const degraded = machine === undefined ? lostMemory : null
      machine ??= await startFromDisk(machineId, layer, head)
      failpoint("resume.machine-started")
      // The count of writes begins at that instant. A start, though, writes before anybody has changed anything.
      const rest = degraded === null ? { layer, writes: 0 } : await restAfterStart(machine, layer)
      await reserve.giveWhenFull()
      const released = await pauses.resume(this.#sandbox.id, { machineId, head, degraded })
      failpoint("resume.recorded")
      this.#became(false, degraded)
      removal.add(released.layers)
      memoryRemoval.add(released.memories)
      metrics.resumes.inc({ from: degraded === null ? "memory" : "disk" })
      return { machine, rest }
    } catch (error) {
      await machine?.kill()
      await room.disk.remove(head)
      throw error
    }
  }

  /** The sandbox has gone another way: there is nothing to go on with. */
  forget(): void {
    this.#became(false, null)
  }

  /** The machine with its memory; undefined where that is damaged, which is logged and recorded by then. */
  async #resumed(machineId: string, resumption: Resumption): Promise<Machine | undefined> {
    try {
      return await resumeMachine(machineId, this.#sandbox, resumption, this.#means)
    } catch (error) {
      const chain = await this.#means.memories.chain(resumption.memory)
      if (chain.every(({ damage }) => damage === null)) throw error
      return undefined
    }
  }

  /** Lets a machine go on that was not paused after all. */
  async #goOn(machine: Machine, { sealed, memory }: SealedMachine): Promise<void> {
    await giveUp(memory.id, this.#means)
    try {
      if (sealed !== undefined) await this.#means.layers.advanceHead(sealed.layer, sealed.head, sealed.bytes)
      await machine.resume()
    } catch {
      // It would write to a layer that is not recorded; its next start sorts that out.
      await machine.kill()
    }
  }

  #became(isOn: boolean, degraded: string | null): void {
    this.#isOn = isOn
    this.#degraded = degraded
  }
}
