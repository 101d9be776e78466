import { failpoint } from "#failpoint"
import { newLayerId, type Image, type Machine, type RewrittenLayer } from "@opensandbox/vm"
import { Failure } from "../failure.js"
import { pinChain } from "../layers/layer-files.js"
import type { Unneeded } from "../layers/layer-rows.js"
import type { SandboxRow, SnapshotRow } from "../store/tables.js"
import { guestIdentity, type SandboxMeans } from "./means.js"
import { requireSpace } from "../storage/space.js"
import { networkOf } from "./network.js"
import { NextLayer } from "./next-layer.js"
import { restAfterStart, type Rest } from "./rest.js"
import type { Fork, NewSnapshot } from "./sandbox-store.js"
import { settleHead } from "./settle-head.js"
import { asFailure, diskFull } from "../storage/storage-failure.js"

/** How long a machine that is stopped in order may take to write its files out. */
const stopMilliseconds = 5_000

/** How long a guest may take to write its files out before its present state is kept. */
const syncMilliseconds = 30_000

/** A sealed layer that holds what the disk holds. */
interface Present {
  /** null is the image's blank disk. */
  readonly layer: string | null
  /** What it added on the disk; 0 when the disk had not changed since it was sealed. */
  readonly bytes: number
}

/**
 * Keeps the machine of one sandbox and the layers that it writes to. Its methods are called one at a time; `Sandbox`
 * sees to it.
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
  readonly #next: NextLayer
  /** Settles when the machine that the last restore left has given its memory back. */
  #leftBehind: Promise<void> = Promise.resolve()

  constructor(sandbox: SandboxRow, means: SandboxMeans) {
    this.#sandbox = sandbox
    this.#means = means
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
      return await this.#startFromHead()
    } catch (error) {
      this.#lastStartFailed = true
      throw this.#failure(error)
    }
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
   * Seals what the disk holds now, with the guest's files written out, unless a layer holds just that. A sandbox without
   * a machine needs none for it.
   *
   * @throws Failure `unavailable`, `disk_full`, `damaged`.
   */
  async present(): Promise<Present> {
    await this.#endOfEnding().catch((error: unknown) => this.#fail(error))
    const machine = this.#machine
    if (machine === undefined) return this.#presentAtRest().catch((error: unknown) => this.#fail(error))
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
   * @returns the sandboxes of that fork.
   * @throws Failure `unavailable`, `disk_full`, `damaged`.
   */
  async restore(target: SnapshotRow, committed: () => void, keep?: Fork): Promise<SandboxRow[]> {
    const { store, room } = this.#means
    // However fast restores follow each other, no more than one machine is on its way out.
    await this.#leftBehind
    const id = room.newMachineId()
    const head = newLayerId()
    let fresh: Machine | undefined
    let rest: Rest
    let restored: Unneeded & { kept: SandboxRow[] }
    try {
      await room.disk.create(head, target.layer_id, await this.#image())
      failpoint("restore.head-made")
      fresh = await this.#start(id, target.layer_id, head)
      failpoint("restore.machine-started")
      rest = await restAfterStart(fresh, target.layer_id)
      restored = await store.restore(this.#sandbox, target, head, id, keep)
    } catch (error) {
      await fresh?.kill()
      await room.disk.remove(head)
      throw this.#failure(error)
    }
    failpoint("restore.recorded")
    committed()
    this.#leftBehind = this.#end()
    failpoint("restore.machine-ending")
    await this.#next.idle()
    this.take(fresh, rest)
    this.#means.removal.add(restored.gone, this.#leftBehind)
    await this.#means.compactor.reclaim(restored.left)
    return restored.kept
  }

  /** Ends the machine at once and removes layers' files. */
  async leave(layers: readonly string[]): Promise<void> {
    await this.#end()
    await this.#next.idle()
    await this.#leftBehind
    failpoint("destroy.machine-ended")
    this.#means.removal.add(layers)
  }

  /** Ends the machine in order. The head keeps what the guest has written. */
  async stop(): Promise<void> {
    await this.#leftBehind
    const machine = this.#machine
    if (machine === undefined) return
    this.#machine = undefined
    await this.#next.idle()
    await machine.stop(stopMilliseconds)
    await this.#means.store.setMachine(this.#sandbox.id, null)
  }

  /** Lets the guest write to the prepared layer. @param writes How often it had written before, if that was asked. */
  async #seal(
    machine: Machine,
    writes: number | undefined,
  ): Promise<{ layer: string; head: string; bytes: number }> {
    const layer = await machine.seal()
    const facts = await this.#means.room.disk.facts(layer)
    if (facts === undefined) throw new Error(`the file of layer ${layer} is missing`)
    // Counted before the layer was sealed: what was written in between is in it, and at worst is sealed once more.
    this.#rest = writes === undefined ? undefined : { layer, writes }
    return { layer, head: machine.head, bytes: facts.bytes }
  }

  /** What can wait until the layer is recorded. */
  #sealed(machine: Machine, layer: string): void {
    if (this.#rest === undefined) void this.#learnRest(machine, layer)
    this.#next.make(machine)
    this.#means.compactor.consider([layer])
  }

  /** Asks afterwards how often a machine had written when a layer was sealed: as often as now, if not since then. */
  async #learnRest(machine: Machine, layer: string): Promise<void> {
    const head = machine.head
    const activity = await machine.activity().catch(() => undefined)
    if (activity?.headIsUntouched !== true || this.#machine !== machine || machine.head !== head) return
    this.#rest ??= { layer, writes: activity.writes }
  }

  async #presentAtRest(): Promise<Present> {
    const { layers, room, health } = this.#means
    await this.#next.idle()
    const head = await settleHead(this.#sandbox.id, this.#means)
    await health.requireSound([head])
    if (!(await room.disk.holdsData(head.id, await this.#image()))) return { layer: head.parent_id, bytes: 0 }
    const fresh = newLayerId()
    const bytes = (await room.disk.facts(head.id))?.bytes ?? 0
    try {
      await room.disk.create(fresh, head.id, await this.#image())
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

  async #ready(machine: Machine): Promise<void> {
    await this.#next.ready(machine).catch((error: unknown) => this.#fail(error))
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

  async #startFromHead(): Promise<Machine> {
    const { store, room, dataDirectory } = this.#means
    await requireSpace(dataDirectory)
    await this.#next.idle()
    const head = await settleHead(this.#sandbox.id, this.#means)
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
    if (!changed) this.#rest = await restAfterStart(machine, head.parent_id).catch(() => undefined)
    return machine
  }

  /** Starts a machine on a head that rests on a sealed layer. */
  async #start(id: string, layer: string | null, head: string): Promise<Machine> {
    const { room, health } = this.#means
    const { chain, release } = await pinChain(this.#means, layer)
    try {
      await health.requireSound(chain)
      const layers = [...chain.map((link) => link.id), head]
      const identity = guestIdentity(this.#sandbox)
      return await room.start(id, await this.#image(), layers, identity, networkOf(this.#sandbox))
    } finally {
      await release()
    }
  }

  /** Waits for a machine that is just ending, as a caller may have noticed first: it counts as none. */
  async #endOfEnding(): Promise<void> {
    if (this.#machine?.ending === true) await this.#machine.ended
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
  }

  #fail(error: unknown): never {
    throw this.#failure(error)
  }

  #failure(error: unknown): Failure {
    this.#means.log.error({ sandbox: this.#sandbox.name, err: error }, "the sandbox's machine or disk failed")
    return asFailure(error)
  }
}
