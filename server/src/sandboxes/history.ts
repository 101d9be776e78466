import { failpoint } from "#failpoint"
import type { ExecResult, Machine } from "@opensandbox/vm"
import { Failure } from "../failure.js"
import { pinChain, type SealedDisk } from "../layers/layer-files.js"
import type { SandboxRow, SnapshotRow } from "../store/tables.js"
import { exitCodeOf } from "./command.js"
import { HistoryLimits } from "./history-limits.js"
import type { MachineKeeper } from "./machine-keeper.js"
import type { SandboxMeans } from "./means.js"
import { imageOf } from "./size.js"
import { initialSnapshot, type Fork, type NewSandbox, type NewSnapshot } from "./sandbox-store.js"
import { requireSpace } from "../storage/space.js"
import { asFailure } from "../storage/storage-failure.js"
import type { Turns } from "./turns.js"
import { giveUp } from "./whole-machine.js"

/** How a snapshot came to be; the beginning of its name. */
type SnapshotKind = "cmd" | "file" | "snap" | "fork"

/** The disk of a snapshot, or of the present. */
interface SnapshotDisk extends SealedDisk {
  /** The snapshot's name; null for the present. */
  readonly snapshot: string | null
}

/** Where forks begin. */
interface Origin {
  /** The present when left out. */
  readonly snapshot?: string | undefined
  /** Whether with the memory of that instant. */
  readonly memory: boolean
}

/** What came of going back. */
export interface Restored {
  /** The sandbox that is what this one was until then. */
  readonly kept?: SandboxRow | undefined
  /** Why memory and processes could not be brought back, only files. */
  readonly degraded?: string | undefined
}

/** A sandbox's snapshots: taking and deleting them, going back to them, and beginning other sandboxes from them. */
export class History {
  /** How much of it is kept. */
  readonly limits: HistoryLimits
  readonly #sandbox: SandboxRow
  readonly #means: SandboxMeans
  readonly #keeper: MachineKeeper
  readonly #turns: Turns
  readonly #interrupt: (reason: Failure) => void
  #lastSnapshotAt: number
  #restoring = false

  /**
   * @param newestSnapshotAt When the newest snapshot was taken, in Unix milliseconds.
   * @param interrupt Is called when the sandbox goes back, with what commands that still run fail with.
   */
  constructor(
    sandbox: SandboxRow,
    means: SandboxMeans,
    keeper: MachineKeeper,
    turns: Turns,
    newestSnapshotAt: number,
    interrupt: (reason: Failure) => void,
  ) {
    this.#sandbox = sandbox
    this.#means = means
    this.#keeper = keeper
    this.#turns = turns
    this.#interrupt = interrupt
    this.#lastSnapshotAt = newestSnapshotAt
    this.limits = new HistoryLimits(sandbox, means, turns, (snapshots) => this.#forget(snapshots))
  }

  /** Whether the sandbox is on its way back to a snapshot. */
  get restoring(): boolean {
    return this.#restoring
  }

  /** Takes the snapshot that follows a command. Must be called in a turn of its own. */
  async record(
    machine: Machine,
    command: string | null,
    result: ExecResult,
  ): Promise<{ name: string; milliseconds: number }> {
    const snapshot = {
      ...this.#nextSnapshot("cmd"),
      command,
      exitCode: exitCodeOf(result),
      durationMs: Math.round(result.guestMicroseconds / 1000),
    }
    const milliseconds = await this.#takeOf(machine, snapshot, result.wrote)
    return { name: snapshot.name, milliseconds }
  }

  /**
   * Takes the snapshot that follows a change of files. Must be called in a turn of its own.
   *
   * @param wrote Whether the guest says that it has written to its disk.
   * @returns its name.
   */
  async recordFiles(machine: Machine, wrote: boolean): Promise<string> {
    const snapshot = this.#nextSnapshot("file")
    await this.#takeOf(machine, snapshot, wrote)
    return snapshot.name
  }

  /**
   * Takes a snapshot by hand, of a sandbox that runs or not; one of the whole machine starts it.
   *
   * @param memory Whether it is of the whole machine; when left out, as those that the sandbox takes by itself.
   * @returns its name.
   * @throws Failure `already_exists` when the sandbox has the label; `unavailable`, `disk_full`, `quota_exceeded`.
   */
  take(label?: string, memory = this.#takesMachines): Promise<string> {
    return this.#turns.take(async () => {
      const { store } = this.#means
      const { id, name } = this.#sandbox
      if (label !== undefined && (await store.snapshot(id, label)) !== undefined) {
        const message = `The sandbox "${name}" has a snapshot "${label}" already: choose another label, or delete that one.`
        throw new Failure("already_exists", message, { field: "label" })
      }
      const named = label !== undefined && { label }
      if (memory) {
        const machine = await this.#keeper.up()
        await this.#requireRoom()
        const snapshot = { ...this.#nextSnapshot("snap"), ...named }
        await this.#keeper.sealing.snapshotWhole(machine, snapshot)
        this.limits.enforce()
        return snapshot.name
      }
      const { layer, bytes } = await this.#keeper.present()
      const snapshot = { ...this.#nextSnapshot("snap"), ...named }
      await store.nameLayer(id, layer, snapshot, bytes).catch(fail)
      failpoint("present.named")
      this.limits.enforce()
      return snapshot.name
    })
  }

  /**
   * Deletes a snapshot. Those before and after it are as they were.
   *
   * @throws Failure `not_found`; `invalid_request` for `initial`.
   */
  delete(name: string): Promise<void> {
    return this.#turns.take(async () => {
      const snapshot = await this.#find(name)
      if (snapshot.name === initialSnapshot) {
        const message = `The snapshot "${initialSnapshot}" cannot be deleted: every sandbox begins with it.`
        throw new Failure("invalid_request", message, { field: "snapshot" })
      }
      await this.#forget([snapshot])
    })
  }

  /**
   * Goes back to a snapshot; those after it are deleted. A restore that fails leaves the sandbox as it was.
   *
   * @param keep A sandbox that becomes, before that, what this one is.
   * @returns that sandbox, and why memory could not be brought back.
   * @throws Failure `not_found`, `unavailable`, `disk_full`, `damaged`.
   */
  restore(name: string, keep?: NewSandbox): Promise<Restored> {
    return this.#turns.take(async () => {
      const target = await this.#find(name)
      if (keep === undefined) return this.#goBack(target)
      return this.#withFork([keep], { memory: false }, (fork) => this.#goBack(target, fork))
    })
  }

  /** Goes back to the snapshot before the newest one. @returns its name as well. @throws Failure as `restore` does. */
  undo(): Promise<Restored & { snapshot: string }> {
    return this.#turns.take(async () => {
      const [, before] = await this.#means.store.newestSnapshots(this.#sandbox.id, 2)
      if (before === undefined) {
        const message = `There is nothing to undo: the sandbox "${this.#sandbox.name}" has only its first snapshot.`
        throw new Failure("not_found", message)
      }
      return { ...(await this.#goBack(before)), snapshot: before.name }
    })
  }

  /**
   * Makes sandboxes that begin as this one is, or was at a snapshot, with its snapshots up to there. They need no machine
   * until they are used.
   *
   * @param from The snapshot, the present when left out; and whether their newest snapshot is to be of the whole machine.
   * @throws Failure `not_found`, `unavailable`, `disk_full`, `damaged`; `invalid_request` for a snapshot without memory.
   */
  fork(sandboxes: readonly NewSandbox[], from: Origin): Promise<SandboxRow[]> {
    return this.#turns.take(() => this.#withFork(sandboxes, from, (fork) => this.#means.store.fork(fork)))
  }

  /**
   * Has a sandbox that was just made go on from its newest snapshot, which is of the whole machine.
   *
   * @throws Failure `damaged` when its memory is; `unavailable`, `disk_full`.
   */
  goOn(): Promise<void> {
    return this.#turns.take(async () => {
      const { degraded } = await this.#keeper.restore(await this.#newest(), () => undefined)
      if (degraded !== undefined) throw new Failure("damaged", `The sandbox could not go on. ${degraded}`)
    })
  }

  /**
   * Calls `look` with the disk of a snapshot; until it is done the layers' files stay.
   *
   * @param name The snapshot's name or label; undefined for the present.
   * @throws Failure `not_found`, `unavailable`, `disk_full`, and what `look` throws.
   */
  async lookAt<T>(name: string | undefined, look: (disk: SnapshotDisk) => Promise<T>): Promise<T> {
    const { disk, release } = await this.#turns.take(() => this.#pin(name))
    try {
      return await look(disk)
    } finally {
      await release()
    }
  }

  async #pin(name: string | undefined): Promise<{ disk: SnapshotDisk; release: () => Promise<void> }> {
    const snapshot = name === undefined ? null : await this.#find(name)
    const layer = snapshot === null ? (await this.#keeper.present()).layer : snapshot.layer_id
    const { chain, release } = await pinChain(this.#means, layer)
    const { image_key: imageKey, disk_bytes: diskBytes } = this.#sandbox
    return { disk: { snapshot: snapshot?.name ?? null, imageKey, diskBytes, layer, chain }, release }
  }

  /** A snapshot of this moment. Names are times, so a clock that stands still or goes back must not make two alike. */
  #nextSnapshot(kind: SnapshotKind): NewSnapshot {
    this.#lastSnapshotAt = Math.max(Date.now(), this.#lastSnapshotAt + 1)
    const createdAt = this.#lastSnapshotAt
    return { name: `${kind}_${createdAt}`, command: null, exitCode: null, durationMs: null, createdAt }
  }

  /** @param name The snapshot's name or label. @throws Failure `not_found`. */
  async #find(name: string): Promise<SnapshotRow> {
    const snapshot = await this.#means.store.snapshot(this.#sandbox.id, name)
    if (snapshot !== undefined) return snapshot
    throw new Failure("not_found", `The sandbox "${this.#sandbox.name}" has no snapshot "${name}".`)
  }

  async #goBack(target: SnapshotRow, keep?: Fork): Promise<Restored> {
    const committed = () => {
      const message = `The sandbox was restored to "${target.name}" while the command ran.`
      this.#interrupt(new Failure("interrupted", message))
    }
    this.#restoring = true
    try {
      const restored = await this.#keeper.restore(target, committed, keep)
      this.#means.metrics.restores.inc()
      if (restored.degraded !== undefined) this.#means.metrics.degradedRestores.inc()
      return restored
    } finally {
      this.#restoring = false
    }
  }

  /** Makes the heads of forks, which `record` records; if that fails they go again. */
  async #withFork<T>(
    sandboxes: readonly NewSandbox[],
    from: Origin,
    record: (fork: Fork) => Promise<T>,
  ): Promise<T> {
    const { room, images, health, metrics, log } = this.#means
    const { last, layer, memory } = await this.#seek(from)
    const present = memory === undefined && layer === last.layer_id ? undefined : this.#nextSnapshot("fork")
    const { chain, release } = await pinChain(this.#means, layer)
    try {
      await health.requireSound(chain)
      const image = await imageOf(this.#sandbox, images)
      for (const { head } of sandboxes) {
        await room.disk.create(head, layer, image)
        failpoint("fork.head-made")
      }
      const recorded = await record({ sandboxes, layer, last, present, memory })
      failpoint("fork.recorded")
      if (memory !== undefined) this.#means.compressor.add(memory.id)
      metrics.forks.inc(sandboxes.length)
      return recorded
    } catch (error) {
      for (const { head } of sandboxes) await room.disk.remove(head)
      if (memory !== undefined) await giveUp(memory.id, this.#means)
      log.error({ sandbox: this.#sandbox.name, err: error }, "the sandbox could not be forked")
      throw asFailure(error)
    } finally {
      await release()
    }
  }

  /** Finds where forks begin: seals the present, or looks the snapshot up. */
  async #seek({ snapshot, memory }: Origin): Promise<Pick<Fork, "last" | "layer" | "memory">> {
    if (snapshot === undefined) {
      const last = await this.#newest()
      if (!memory) return { last, layer: (await this.#keeper.present()).layer }
      await this.#requireRoom()
      const whole = await this.#keeper.sealing.presentWhole(await this.#keeper.up())
      return { last, layer: whole.layer, memory: whole.memory }
    }
    const last = await this.#find(snapshot)
    if (memory && last.memory_id === null) {
      const message = `The snapshot "${snapshot}" holds no memory: fork without it, or take one with "memory".`
      throw new Failure("invalid_request", message, { field: "snapshot" })
    }
    return { last, layer: last.layer_id }
  }

  /** Whether the snapshots that the sandbox takes by itself are of the whole machine. */
  get #takesMachines(): boolean {
    return this.#sandbox.snapshot_kind === "machine"
  }

  /** Takes the snapshot that follows a change. */
  async #takeOf(machine: Machine, snapshot: NewSnapshot, wrote: boolean): Promise<number> {
    const { sealing } = this.#keeper
    const milliseconds = this.#takesMachines
      ? await sealing.snapshotWhole(machine, snapshot)
      : await sealing.snapshot(machine, snapshot, wrote)
    this.limits.enforce()
    return milliseconds
  }

  /** A memory takes room that a snapshot of the disk does not. @throws Failure `disk_full`, `quota_exceeded`. */
  async #requireRoom(): Promise<void> {
    await requireSpace(this.#means.dataDirectory)
    await this.limits.requireRoom()
  }

  async #newest(): Promise<SnapshotRow> {
    const [newest] = await this.#means.store.newestSnapshots(this.#sandbox.id, 1)
    // The first one cannot be deleted.
    if (newest === undefined) throw new Error(`the sandbox "${this.#sandbox.name}" has no snapshots`)
    return newest
  }

  async #forget(snapshots: readonly SnapshotRow[]): Promise<void> {
    const { store, compactor, removal, memoryRemoval } = this.#means
    const { gone, left, memories } = await store.deleteSnapshots(snapshots).catch(fail)
    failpoint("delete.recorded")
    removal.add(gone)
    memoryRemoval.add(memories)
    await compactor.reclaim(left)
  }
}

function fail(error: unknown): never {
  throw asFailure(error)
}
