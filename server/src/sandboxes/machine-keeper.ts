import { newLayerId, type Image, type Machine } from "@opensandbox/vm"
import { Failure } from "../failure.js"
import type { SandboxRow, SnapshotRow } from "../store/tables.js"
import { chainOf } from "./chain.js"
import { LayerMerger } from "./layer-merger.js"
import { guestIdentity, requireSpace, type SandboxMeans } from "./means.js"
import { NextLayer } from "./next-layer.js"
import type { NewSnapshot } from "./sandbox-store.js"
import { settleHead } from "./settle-head.js"
import { asFailure } from "./storage-failure.js"

/** How long a machine that is stopped in order may take to write its files out. */
const stopMilliseconds = 5_000

/** How long a restore waits for a merge, rather than undo its work; most take some 50 ms. */
const mergeGraceMilliseconds = 1_000

/** A layer whose content the disk had when its machine had written so often. */
export interface Rest {
  /** null is the image's blank disk. */
  readonly layer: string | null
  readonly writes: number
}

/**
 * Keeps the machine of one sandbox and the layers of its disk. Its methods are called one at a time; `Sandbox` sees to it.
 *
 * The rule that makes it safe: the database changes last. Before that, new files and machines are unknown to it, and
 * a start of the server removes what it does not know.
 */
export class MachineKeeper {
  readonly #sandbox: SandboxRow
  readonly #means: SandboxMeans
  #machine: Machine | undefined
  #lastStartFailed = false
  /** Unknown for a machine that was started on a head with changes, until the next snapshot. */
  #rest: Rest | undefined
  readonly #merger: LayerMerger
  readonly #next: NextLayer

  constructor(sandbox: SandboxRow, means: SandboxMeans) {
    this.#sandbox = sandbox
    this.#means = means
    this.#merger = new LayerMerger(sandbox, means)
    this.#next = new NextLayer(sandbox, means)
  }

  /** The machine, unless none runs. */
  get machine(): Machine | undefined {
    return this.#machine
  }

  /** Whether the last attempt to start a machine failed. */
  get lastStartFailed(): boolean {
    return this.#lastStartFailed
  }

  /** Takes charge of a machine that already runs on the sandbox's head. */
  take(machine: Machine, rest?: Rest): void {
    this.#machine = machine
    this.#rest = rest
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
    this.#next.make(machine)
  }

  /**
   * The running machine; starts one from the head when none runs, and lets one go on that stood still. One that is
   * just ending, as the caller may have noticed first, counts as none.
   *
   * @throws Failure `unavailable` when none can be started, `disk_full`.
   */
  async up(): Promise<Machine> {
    try {
      if (this.#machine?.ending === true) await this.#machine.ended
      if (this.#machine !== undefined) {
        if (this.#machine.stalled) await this.#machine.resume()
        return this.#machine
      }
      const machine = await this.#startFromHead()
      this.take(machine)
      return machine
    } catch (error) {
      this.#lastStartFailed = true
      throw this.#failure(error)
    }
  }

  /**
   * Takes a snapshot of what the guest has synced.
   *
   * @returns the milliseconds that it took on the host.
   * @throws Failure when it could not be recorded: the machine is ended then, and its next start sorts the layers out.
   */
  async snapshot(machine: Machine, snapshot: NewSnapshot): Promise<number> {
    try {
      await this.#next.ready(machine)
    } catch (error) {
      throw this.#failure(error)
    }
    const { store, reserve } = this.#means
    try {
      const started = performance.now()
      const [writes] = await Promise.all([machine.writes(), reserve.giveWhenFull()])
      if (this.#rest?.writes === writes) {
        await store.nameLayer(this.#sandbox.id, this.#rest.layer, snapshot)
        return performance.now() - started
      }
      const sealed = await machine.seal()
      await store.addSnapshot(this.#sandbox.id, sealed, machine.head, snapshot)
      // Counted before the layer was sealed: what was written in between is in it, and at worst is sealed once more.
      this.#rest = { layer: sealed, writes }
      const milliseconds = performance.now() - started
      this.#next.make(machine)
      this.#merger.sealed(machine, sealed)
      return milliseconds
    } catch (error) {
      await machine.kill()
      throw this.#failure(error)
    }
  }

  /**
   * Puts the sandbox on a snapshot's layer, with a machine of its own. Nothing has changed until that machine is ready.
   *
   * @param committed Called when there is no way back, before the old machine ends.
   */
  async restore(target: SnapshotRow, committed: () => void): Promise<void> {
    const { store, room } = this.#means
    const id = room.newMachineId()
    const head = newLayerId()
    let fresh: Machine | undefined
    let rest: Rest
    let unneeded: string[]
    try {
      // The old machine must not be writing to a layer that the new one reads.
      await this.#merger.stop(mergeGraceMilliseconds)
      const chain = chainOf(await store.layers(this.#sandbox.id), target.layer_id)
      await room.disk.create(head, target.layer_id ?? undefined, await this.#image())
      fresh = await this.#start(id, [...chain, head])
      rest = { layer: target.layer_id, writes: await fresh.writes() }
      unneeded = await store.restore(this.#sandbox.id, target, head, id)
    } catch (error) {
      await fresh?.kill()
      await room.disk.remove(head)
      throw this.#failure(error)
    }
    committed()
    await this.#end()
    this.take(fresh, rest)
    await this.#removeLayers(unneeded)
  }

  /** Ends the machine at once and deletes the files of the sandbox's layers. */
  async leave(layers: readonly string[]): Promise<void> {
    await this.#end()
    await this.#removeLayers(layers)
  }

  /** Ends the machine in order. The head keeps what the guest has written. */
  async stop(): Promise<void> {
    const machine = this.#machine
    if (machine === undefined) return
    this.#machine = undefined
    await this.#next.idle()
    await this.#merger.stop(0)
    await machine.stop(stopMilliseconds)
    await this.#means.store.setMachine(this.#sandbox.id, null)
  }

  async #startFromHead(): Promise<Machine> {
    const { store, room, dataDirectory } = this.#means
    await requireSpace(dataDirectory)
    await this.#next.idle()
    const head = await settleHead(this.#sandbox.id, store, room.disk)
    const chain = chainOf(await store.layers(this.#sandbox.id), head)
    const id = room.newMachineId()
    // Recorded first, so that a server that dies from here on leaves no machine that its successor does not know.
    await store.setMachine(this.#sandbox.id, id)
    return this.#start(id, chain)
  }

  async #start(id: string, chain: readonly string[]): Promise<Machine> {
    return this.#means.room.start(id, await this.#image(), chain, guestIdentity(this.#sandbox))
  }

  #image(): Promise<Image> {
    return this.#means.images.get(this.#sandbox.image_key)
  }

  async #end(): Promise<void> {
    const machine = this.#machine
    this.#machine = undefined
    await machine?.kill().catch((error: unknown) => {
      // The kernel does not let go of it. What comes after does not depend on it.
      this.#means.log.error({ sandbox: this.#sandbox.name, err: error }, "a machine could not be ended")
    })
    await this.#next.idle()
    await this.#merger.stop(0)
  }

  async #removeLayers(layers: readonly string[]): Promise<void> {
    for (const layer of layers) await this.#means.room.disk.remove(layer)
  }

  #failure(error: unknown): Failure {
    this.#means.log.error({ sandbox: this.#sandbox.name, err: error }, "the sandbox's machine or disk failed")
    return asFailure(error)
  }
}
