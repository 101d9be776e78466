import { failpoint } from "#failpoint"
import { newLayerId, type Machine } from "@opensandbox/vm"
import type { Failure } from "../failure.js"
import { asFailure, diskFull } from "../storage/storage-failure.js"
import type { SandboxRow } from "../store/tables.js"
import type { SandboxMeans } from "./means.js"
import { NextLayer } from "./next-layer.js"
import type { Rest } from "./rest.js"
import type { NewSnapshot, SealedHead, SealedMachine } from "./sandbox-store.js"
import { imageOf } from "./size.js"
import { settleHead } from "./settle-head.js"
import { giveUp, sealMachine } from "./whole-machine.js"

/** How long a guest may take to write its files out before its present state is kept. */
const syncMilliseconds = 30_000

/** A sealed layer that holds what the disk holds. */
export interface Present {
  /** null is the image's blank disk. */
  readonly layer: string | null
  /** What it added on the disk; 0 when the disk had not changed since it was sealed. */
  readonly bytes: number
}

/**
 * Seals the layers that one sandbox's machine writes to, so that snapshots and others can name them. Its methods are
 * called one at a time; `MachineKeeper` says which machine it is.
 */
export class Sealing {
  readonly next: NextLayer
  readonly #sandbox: SandboxRow
  readonly #means: SandboxMeans
  #machine: Machine | undefined
  /** Unknown for a machine that was started on a head with changes, until the next snapshot. */
  #rest: Rest | undefined

  constructor(sandbox: SandboxRow, means: SandboxMeans) {
    this.#sandbox = sandbox
    this.#means = means
    this.next = new NextLayer(sandbox, means)
  }

  /** A machine writes to the sandbox's head from now on. @param rest What its disk holds, if that is known. */
  begin(machine: Machine, rest?: Rest): void {
    this.#machine = machine
    this.#rest = rest
    this.next.make(machine)
  }

  /** What the disk of that machine holds was found out after it had begun. */
  found(machine: Machine, rest: Rest | undefined): void {
    if (this.#machine === machine) this.#rest ??= rest
  }

  /**
   * Takes a snapshot of what the guest has synced.
   *
   * @param surelyWrote Whether the guest says that it has written; then nobody else needs to be asked.
   * @returns the milliseconds that it took on the host.
   * @throws Failure when it could not be recorded: the machine is ended then, and its next start sorts the layers out.
   */
  async snapshot(machine: Machine, snapshot: NewSnapshot, surelyWrote: boolean): Promise<number> {
    const { store, metrics } = this.#means
    await this.#ready(machine)
    const started = performance.now()
    const took = (kind: "layer" | "name") => {
      const milliseconds = performance.now() - started
      metrics.snapshots.inc({ kind })
      metrics.snapshotSeconds.observe(milliseconds / 1000)
      return milliseconds
    }
    return this.#recording(machine, async () => {
      const [writes] = await Promise.all([
        surelyWrote ? undefined : machine.activity().then((activity) => activity.writes),
        this.#means.reserve.giveWhenFull(),
      ])
      if (writes !== undefined && this.#rest?.writes === writes) {
        await store.nameLayer(this.#sandbox.id, this.#rest.layer, snapshot)
        failpoint("snapshot.named")
        return took("name")
      }
      const sealed = await this.#seal(machine, writes)
      failpoint("snapshot.sealed")
      await store.addSnapshot(this.#sandbox.id, sealed, snapshot)
      failpoint("snapshot.recorded")
      const milliseconds = took("layer")
      this.#sealed(machine, sealed.layer)
      return milliseconds
    })
  }

  /**
   * Seals what the disk of a machine holds now, with the guest's files written out, unless a layer holds just that.
   *
   * @throws Failure `unavailable`, `disk_full`.
   */
  async present(machine: Machine): Promise<Present> {
    if (machine.stalled) throw diskFull()
    await this.#ready(machine)
    await machine.sync(syncMilliseconds).catch((error: unknown) => this.#fail(error))
    return this.#recording(machine, async () => {
      const [{ writes }] = await Promise.all([machine.activity(), this.#means.reserve.giveWhenFull()])
      if (this.#rest?.writes === writes) return { layer: this.#rest.layer, bytes: 0 }
      const { layer, head, bytes } = await this.#seal(machine, writes)
      failpoint("present.sealed")
      await this.#means.layers.advanceHead(layer, head, bytes)
      failpoint("present.recorded")
      this.#sealed(machine, layer)
      return { layer, bytes }
    })
  }

  /**
   * Takes a snapshot of the whole machine.
   *
   * @returns the milliseconds that it took on the host.
   * @throws Failure `unavailable`, `disk_full`. The machine goes on unless it could not be recorded.
   */
  async snapshotWhole(machine: Machine, snapshot: NewSnapshot): Promise<number> {
    const { store, metrics, compressor } = this.#means
    await this.#ready(machine)
    const started = performance.now()
    const whole = await this.sealWhole(machine)
    return this.#recordingWhole(machine, whole, async () => {
      await store.addMachineSnapshot(this.#sandbox.id, whole, snapshot)
      failpoint("machine-snapshot.recorded")
      const milliseconds = performance.now() - started
      metrics.snapshots.inc({ kind: "machine" })
      if (whole.sealed !== undefined) this.#sealed(machine, whole.sealed.layer)
      compressor.add(whole.memory.id)
      return milliseconds
    })
  }

  /** Seals the present with the memory of the same instant, which is still to be named. @throws as `snapshotWhole`. */
  async presentWhole(machine: Machine): Promise<SealedMachine> {
    const whole = await this.sealWhole(machine)
    const { sealed } = whole
    if (sealed === undefined) return whole
    return this.#recordingWhole(machine, whole, async () => {
      await this.#means.layers.advanceHead(sealed.layer, sealed.head, sealed.bytes)
      failpoint("present.recorded")
      this.#sealed(machine, sealed.layer)
      return whole
    })
  }

  /**
   * Saves the machine, with the guest's files written out, so that its disk is good by itself too. Nothing of that is
   * recorded yet but that its memory is being written.
   *
   * @param halt Whether the guest stands still afterwards.
   * @throws Failure `unavailable`, `disk_full`; the machine goes on then.
   */
  async sealWhole(machine: Machine, { halt = false } = {}): Promise<SealedMachine> {
    if (machine.stalled) throw diskFull()
    await this.#ready(machine)
    await machine.sync(syncMilliseconds).catch((error: unknown) => this.#fail(error))
    await this.#means.reserve.giveWhenFull()
    const { head } = machine
    try {
      const whole = await sealMachine(machine, this.#means, halt)
      if (whole.sealed !== undefined) this.#rest = undefined
      return whole
    } catch (error) {
      // Sealed or not, its disk is as good as before: only the record has to follow.
      if (machine.head !== head) await this.#recording(machine, () => this.#follow(machine, head))
      throw this.#failure(error)
    }
  }

  /** Seals the present of a sandbox that has no machine, and needs none for it. @throws Failure also `damaged`. */
  async presentAtRest(): Promise<Present> {
    return this.#sealAtRest().catch((error: unknown) => this.#fail(error))
  }

  async #sealAtRest(): Promise<Present> {
    const { layers, room, health, images } = this.#means
    await this.next.idle()
    const head = await settleHead(this.#sandbox, this.#means)
    await health.requireSound([head])
    const image = await imageOf(this.#sandbox, images)
    if (!(await room.disk.holdsData(head.id, image))) return { layer: head.parent_id, bytes: 0 }
    const fresh = newLayerId()
    const bytes = (await room.disk.facts(head.id))?.bytes ?? 0
    try {
      await room.disk.create(fresh, head.id, image)
      failpoint("present.head-made")
      await layers.sealHead(this.#sandbox.id, head, fresh, bytes)
      failpoint("present.recorded")
    } catch (error) {
      await room.disk.remove(fresh)
      throw error
    }
    this.#means.compactor.consider([head.id])
    return { layer: head.id, bytes }
  }

  /** Lets the guest write to the prepared layer. @param writes How often it had written before, if that was asked. */
  async #seal(machine: Machine, writes: number | undefined): Promise<SealedHead> {
    const layer = await machine.seal()
    const facts = await this.#means.room.disk.facts(layer)
    if (facts === undefined) throw new Error(`the file of layer ${layer} is missing`)
    // Counted before the layer was sealed: what was written in between is in it, and at worst is sealed once more.
    this.#rest = writes === undefined ? undefined : { layer, writes }
    return { layer, head: machine.head, bytes: facts.bytes }
  }

  /** Records that a head was sealed of which nobody wanted more in the end. */
  async #follow(machine: Machine, sealed: string): Promise<void> {
    this.#rest = undefined
    await this.#means.layers.advanceHead(sealed, machine.head, null)
    this.#sealed(machine, sealed)
  }

  /** What can wait until the layer is recorded. */
  #sealed(machine: Machine, layer: string): void {
    if (this.#rest === undefined) void this.#learnRest(machine, layer)
    this.next.make(machine)
    this.#means.compactor.consider([layer])
  }

  /** Asks afterwards how often a machine had written when a layer was sealed: as often as now, if not since then. */
  async #learnRest(machine: Machine, layer: string): Promise<void> {
    const head = machine.head
    const activity = await machine.activity().catch(() => undefined)
    if (activity?.headIsUntouched !== true || machine.head !== head) return
    this.found(machine, { layer, writes: activity.writes })
  }

  async #ready(machine: Machine): Promise<void> {
    await this.next.ready(machine).catch((error: unknown) => this.#fail(error))
  }

  /** A step after which the database and the machine agree, or the machine is ended and its next start sorts it out. */
  async #recording<T>(machine: Machine, step: () => Promise<T>): Promise<T> {
    try {
      return await step()
    } catch (error) {
      await machine.kill()
      throw this.#failure(error)
    }
  }

  /** The same for a machine that was saved: of a memory that was not recorded nothing is left. */
  async #recordingWhole<T>(machine: Machine, { memory }: SealedMachine, step: () => Promise<T>): Promise<T> {
    try {
      return await this.#recording(machine, step)
    } catch (error) {
      await giveUp(memory.id, this.#means)
      throw error
    }
  }

  #fail(error: unknown): never {
    throw this.#failure(error)
  }

  #failure(error: unknown): Failure {
    this.#means.log.error(
      { sandbox: this.#sandbox.name, err: error },
      "the sandbox's disk could not be sealed",
    )
    return asFailure(error)
  }
}
