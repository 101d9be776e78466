import { failpoint } from "#failpoint"
import { newLayerId, type Image, type Machine, type RewrittenLayer } from "@opensandbox/vm"
import { Failure } from "../failure.js"
import { pinChain } from "../layers/layer-files.js"
import type { SandboxRow, SnapshotRow } from "../store/tables.js"
import { guestIdentity, type SandboxMeans } from "./means.js"
import { requireSpace } from "../storage/space.js"
import { networkOf } from "./network.js"
import { imageOf, sizeOf } from "./size.js"
import { Pause } from "../pausing/pause.js"
import { restAfterStart, type Rest } from "./rest.js"
import type { Fork, Freed } from "./sandbox-store.js"
import { Sealing, type Present } from "./sealing.js"
import { settleHead } from "./settle-head.js"
import { resumeMachine } from "./whole-machine.js"
import { asFailure } from "../storage/storage-failure.js"

/** How long a machine that is stopped in order may take to write its files out. */
const stopMilliseconds = 5_000

/** A machine that is up, what its disk holds, and why it has lost its memory. */
interface StartedMachine {
  readonly machine: Machine
  readonly rest: Rest
  readonly degraded?: string | undefined
}

/**
 * Keeps the machine of one sandbox and the layers that it writes to. Its methods are called one at a time; `Sandbox`
 * sees to it.
 *
 * The rule that makes it safe: the database changes last. Before that, new files and machines are unknown to it, and
 * a start of the server removes what it does not know.
 */
export class MachineKeeper {
  /** Seals what the machine writes. */
  readonly sealing: Sealing
  readonly #sandbox: SandboxRow
  readonly #means: SandboxMeans
  readonly #pause: Pause
  #machine: Machine | undefined
  #lastStartFailed = false
  /** Settles when the machine that the last restore left has given its memory back. */
  #leftBehind: Promise<void> = Promise.resolve()

  constructor(sandbox: SandboxRow, means: SandboxMeans) {
    this.#sandbox = sandbox
    this.#means = means
    this.sealing = new Sealing(sandbox, means)
    this.#pause = new Pause(sandbox, means)
  }

  /** The machine, unless none runs. */
  get machine(): Machine | undefined {
    return this.#machine
  }

  /** Whether its memory is on the disk, for its next machine. */
  get isPaused(): boolean {
    return this.#pause.isOn
  }

  /** What was lost when it was last resumed, for people; null when nothing was. */
  get degraded(): string | null {
    return this.#pause.degraded
  }

  /** Whether the last attempt to start a machine failed. */
  get lastStartFailed(): boolean {
    return this.#lastStartFailed
  }

  /** Takes charge of a machine that already runs on the sandbox's head. */
  take(machine: Machine, rest?: Rest): void {
    this.#machine = machine
    this.#lastStartFailed = false
    const ended = (error?: unknown) => {
      if (this.#machine !== machine) return
      this.#machine = undefined
      const { log } = this.#means
      log.warn(
        { sandbox: this.#sandbox.name, machine: machine.id, err: error },
        "the machine ended by itself",
      )
    }
    machine.ended.then(() => {
      ended()
    }, ended)
    this.sealing.begin(machine, rest)
  }

  /**
   * The running machine; starts one from the head when none runs, and lets one go on that stood still.
   *
   * @throws Failure `unavailable` when none can be started, `disk_full`, `damaged`.
   */
  async up(): Promise<Machine> {
    try {
      await this.#endOfEnding()
      if (this.#machine !== undefined) {
        if (this.#machine.stalled) await this.#machine.resume()
        return this.#machine
      }
      return await (this.#pause.isOn ? this.#goOn() : this.#startFromHead())
    } catch (error) {
      this.#lastStartFailed = true
      throw this.#failure(error)
    }
  }

  /**
   * Seals what the disk holds now, with the guest's files written out, unless a layer holds just that. A sandbox without
   * a machine needs none for it.
   *
   * @throws Failure `unavailable`, `disk_full`, `damaged`.
   */
  async present(): Promise<Present> {
    await this.#endOfEnding().catch((error: unknown) => this.#fail(error))
    const machine = this.#machine
    return machine === undefined ? this.sealing.presentAtRest() : this.sealing.present(machine)
  }

  /**
   * Puts the machine's memory on the disk, of one instant with what its disk holds, and ends it. Where that fails it goes on.
   *
   * @param committed Called when there is no way back, before the machine ends.
   * @returns whether a machine ran.
   * @throws Failure `unavailable`, `disk_full`.
   */
  async pause(committed: () => void): Promise<boolean> {
    await this.#endOfEnding().catch((error: unknown) => this.#fail(error))
    const machine = this.#machine
    if (machine === undefined) return false
    await requireSpace(this.#means.dataDirectory)
    // It stands still from then on, so that nothing happens after that instant that somebody could be told.
    const sealed = await this.sealing.sealWhole(machine, { halt: true })
    failpoint("pause.sealed")
    try {
      await this.#pause.begin(machine, sealed)
    } catch (error) {
      if (sealed.sealed !== undefined) this.sealing.begin(machine)
      this.#fail(error)
    }
    failpoint("pause.recorded")
    committed()
    await this.#end()
    failpoint("pause.machine-ended")
    await this.sealing.next.idle()
    return true
  }

  /** Reads a rewritten layer from its new file, if the machine has it. */
  async rewritten(layer: RewrittenLayer): Promise<void> {
    await this.#machine?.rebase(layer)
  }

  /**
   * Puts the sandbox on a snapshot's layer, with a machine of its own. Nothing has changed until that machine is ready.
   *
   * The old machine ends beside that: what it may still write is in nobody's chain, and the kernel takes a while to get
   * back the memory of one that has done much.
   *
   * @param committed Called when there is no way back, before the old machine ends.
   * @param keep A fork, recorded with the restore or not at all, of what the sandbox was until now.
   * @returns the sandbox of that fork, and why memory could not be brought back, if the snapshot has one.
   * @throws Failure `unavailable`, `disk_full`, `damaged`.
   */
  async restore(
    target: SnapshotRow,
    committed: () => void,
    keep?: Fork,
  ): Promise<{ kept?: SandboxRow | undefined; degraded?: string | undefined }> {
    const { store, room } = this.#means
    // However fast restores follow each other, no more than one machine is on its way out.
    await this.#leftBehind
    const id = room.newMachineId()
    const head = newLayerId()
    let fresh: StartedMachine | undefined
    let restored: Freed & { kept: SandboxRow[] }
    try {
      await room.disk.create(head, target.layer_id, await this.#image())
      failpoint("restore.head-made")
      fresh = await this.#startAt(id, target, head)
      failpoint("restore.machine-started")
      restored = await store.restore(this.#sandbox, target, head, id, keep)
    } catch (error) {
      await fresh?.machine.kill()
      await room.disk.remove(head)
      throw this.#failure(error)
    }
    failpoint("restore.recorded")
    this.#pause.forget()
    committed()
    this.#leftBehind = this.#end()
    failpoint("restore.machine-ending")
    await this.sealing.next.idle()
    this.take(fresh.machine, fresh.rest)
    this.#means.removal.add(restored.gone, this.#leftBehind)
    this.#means.memoryRemoval.add(restored.memories, this.#leftBehind)
    await this.#means.compactor.reclaim(restored.left)
    return { kept: restored.kept[0], degraded: fresh.degraded }
  }

  /** Ends the machine at once and removes the files of layers and memories. */
  async leave({ gone, memories }: Freed): Promise<void> {
    await this.#end()
    await this.sealing.next.idle()
    await this.#leftBehind
    failpoint("destroy.machine-ended")
    this.#means.removal.add(gone)
    this.#means.memoryRemoval.add(memories)
  }

  /** Ends the machine in order. The head keeps what the guest has written. */
  async stop(): Promise<void> {
    await this.#leftBehind
    const machine = this.#machine
    if (machine === undefined) return
    this.#machine = undefined
    await this.sealing.next.idle()
    await machine.stop(stopMilliseconds)
    await this.#means.store.setMachine(this.#sandbox.id, null)
  }

  async #goOn(): Promise<Machine> {
    await requireSpace(this.#means.dataDirectory)
    await this.sealing.next.idle()
    const { machine, rest } = await this.#pause.end((...parts) => this.#start(...parts))
    this.take(machine, rest)
    return machine
  }

  async #startFromHead(): Promise<Machine> {
    const { store, room, dataDirectory } = this.#means
    await requireSpace(dataDirectory)
    await this.sealing.next.idle()
    const head = await settleHead(this.#sandbox, this.#means)
    const id = room.newMachineId()
    // Recorded first, so that a server that dies from here on leaves no machine that its successor does not know.
    await store.setMachine(this.#sandbox.id, id)
    failpoint("start.recorded")
    await this.#means.health.requireSound([head])
    const changed = await room.disk.holdsData(head.id, await this.#image())
    const machine = await this.#start(id, head.parent_id, head.id)
    failpoint("start.machine-started")
    this.take(machine)
    // Without it the next snapshot takes a layer that it might not have needed.
    if (!changed) {
      const rest = await restAfterStart(machine, head.parent_id).catch(() => undefined)
      this.sealing.found(machine, rest)
    }
    return machine
  }

  /** Starts a machine that goes on at a snapshot: with its memory, if it has one that is of use. */
  async #startAt(id: string, target: SnapshotRow, head: string): Promise<StartedMachine> {
    const { layer_id: layer, memory_id: memory } = target
    let degraded: string | undefined
    if (memory !== null) {
      try {
        const at = { layer, memory, head }
        const machine = await resumeMachine(id, this.#sandbox, at, this.#means, this.#machine?.id)
        return { machine, rest: { layer, writes: 0 } }
      } catch (error) {
        const { log, room } = this.#means
        log.error({ sandbox: this.#sandbox.name, memory, err: error }, "a machine could not be resumed")
        degraded = `Only the files are back, and no process runs. ${asFailure(error).message}`
        // A guest that went on for a moment may have written to it.
        await room.disk.remove(head)
        await room.disk.create(head, layer, await this.#image())
      }
    }
    const machine = await this.#start(id, layer, head)
    try {
      return { machine, rest: await restAfterStart(machine, layer), degraded }
    } catch (error) {
      await machine.kill()
      throw error
    }
  }

  /** Starts a machine on a head that rests on a sealed layer. */
  async #start(id: string, layer: string | null, head: string): Promise<Machine> {
    const { room, health } = this.#means
    const { chain, release } = await pinChain(this.#means, layer)
    try {
      await health.requireSound(chain)
      const layers = [...chain.map((link) => link.id), head]
      const identity = guestIdentity(this.#sandbox)
      const network = networkOf(this.#sandbox)
      // Only in a restore does one run already, and it ends with that.
      const inPlaceOf = this.#machine?.id
      return await room.start(id, await this.#image(), layers, {
        identity,
        network,
        size: sizeOf(this.#sandbox),
        inPlaceOf,
      })
    } finally {
      await release()
    }
  }

  /** Waits for a machine that is just ending, as a caller may have noticed first: it counts as none. */
  async #endOfEnding(): Promise<void> {
    if (this.#machine?.ending === true) await this.#machine.ended
  }

  #image(): Promise<Image> {
    return imageOf(this.#sandbox, this.#means.images)
  }

  async #end(): Promise<void> {
    const machine = this.#machine
    this.#machine = undefined
    await machine?.kill().catch((error: unknown) => {
      // The kernel does not let go of it. What comes after does not depend on it.
      this.#means.log.error({ sandbox: this.#sandbox.name, err: error }, "a machine could not be ended")
    })
  }

  #fail(error: unknown): never {
    throw this.#failure(error)
  }

  #failure(error: unknown): Failure {
    this.#means.log.error({ sandbox: this.#sandbox.name, err: error }, "the sandbox's machine or disk failed")
    return asFailure(error)
  }
}
