import type { Duplex } from "node:stream"
import type { GuestAddress, GuestListener, Image } from "@opensandbox/vm"
import type { DirectoryService } from "../directories/directory-service.js"
import { Failure } from "../failure.js"
import type { LifetimeRequest } from "../lifetime/lifetime.js"
import type { Processes } from "../processes/processes.js"
import type { FileService } from "../files/file-service.js"
import { Looking } from "../looking/looking.js"
import { openViewer } from "../looking/open-viewer.js"
import { Viewers } from "../looking/viewers.js"
import { hasSpace } from "../storage/space.js"
import type { SandboxRow } from "../store/tables.js"
import type { SandboxMeans } from "./means.js"
import { exportSandbox, importSandbox } from "./moving.js"
import { networkOf, requireUsable } from "./network.js"
import { makeSandbox, unborn, type SandboxSettings } from "./new-sandbox.js"
import { recover } from "./recovery.js"
import { Registry, type PortOpener } from "./registry.js"
import { Sandbox } from "./sandbox.js"
import { chooseSize, sizeOf } from "./size.js"
import type {
  CreateRequest,
  Dialled,
  Diff,
  DiffRequest,
  ExportRequest,
  ForkRequest,
  OnConnection,
  RestoreRequest,
  RetentionRequest,
  RetentionStatus,
  RunCaller,
  RunOutcome,
  RunRequest,
  SandboxService,
  SandboxSession,
  SessionHandlers,
  SessionRequest,
  Snapshot,
  SnapshotRequest,
  VMInfo,
} from "./sandbox-service.js"
import { snapshotAnswer } from "./snapshot-answer.js"
import { wakeAll } from "./wake-all.js"

/** How often snapshots that have grown too old are looked for. */
const expiryMilliseconds = 10 * 60_000

/** Longest name that a sandbox made by `keep` takes from the one that it was. */
const keptNameLength = 40

const mebibyte = 1024 * 1024

/** What can be done with the sandboxes of this server. */
export class Sandboxes implements SandboxService {
  readonly #means: SandboxMeans
  readonly #registry: Registry
  /** The image of new sandboxes. */
  readonly #image: Image
  readonly #looking: Looking
  readonly #expiry: NodeJS.Timeout

  private constructor(means: SandboxMeans, registry: Registry, image: Image) {
    this.#means = means
    this.#registry = registry
    this.#image = image
    this.#looking = new Looking(new Viewers((disk) => openViewer(disk, means), means.log), means.log)
    this.#expiry = setInterval(() => {
      for (const { history } of registry.sandboxes) history.limits.enforce()
    }, expiryMilliseconds)
    this.#expiry.unref()
    means.compactor.onRewritten((layer) => {
      for (const sandbox of registry.sandboxes) sandbox.rewritten(layer)
    })
    means.room.budget.onShortage(() => this.#looking.endIdle())
    means.metrics.refreshBy(() => this.#measure())
  }

  /**
   * Opens the sandboxes that the database knows, takes up the machines that still run, and removes what was half made.
   *
   * @param image The image of new sandboxes.
   * @param maxSandboxes How many there may be at the same time.
   */
  static async open(
    means: SandboxMeans,
    ports: PortOpener,
    image: Image,
    maxSandboxes: number,
  ): Promise<Sandboxes> {
    const expire = (sandbox: Sandbox): Promise<void> => sandboxes.#destroy(sandbox)
    const registry = new Registry(means, ports, maxSandboxes, expire)
    const sandboxes: Sandboxes = new Sandboxes(means, registry, image)
    const recovered = await recover(means)
    try {
      for (const sandbox of recovered) await registry.enter(sandbox)
    } catch (error) {
      // A server that does not start holds on to no machine.
      await Promise.allSettled(recovered.map((sandbox) => sandbox.close()))
      throw error
    }
    await means.images.removeUnused(() => means.store.imageKeys())
    await means.compactor.resume()
    await means.compressor.resume()
    return sandboxes
  }

  async create(owner: number, request: CreateRequest): Promise<{ vm: VMInfo; reused: boolean }> {
    const { name, reuse, network } = request
    if (network !== undefined) requireUsable(network)
    const size = chooseSize(request, this.#image, this.#means.room)
    const make = async () => {
      const sandbox = unborn(owner, name, this.#image.key, { ...request, size })
      return { sandboxes: [await makeSandbox(sandbox, this.#means)], result: "made" as const }
    }
    const made = await (reuse
      ? this.#registry.findOrAdd(owner, name, make)
      : this.#registry.add([name], make))
    return { vm: await this.#registry.describe(owner, name), reused: made === undefined }
  }

  async fork(owner: number, from: string, { names, ...begin }: ForkRequest): Promise<VMInfo[]> {
    const origin = this.#registry.find(owner, from)
    await this.#registry.add(names, async () => {
      const rows = await origin.history.fork(
        names.map((name) => unborn(owner, name, origin.row.image_key, inherited(origin))),
        begin,
      )
      const sandboxes = await Promise.all(rows.map((row) => this.#open(row)))
      if (begin.memory) await wakeAll(sandboxes, this.#means)
      return { sandboxes, result: undefined }
    })
    return Promise.all(names.map((name) => this.#registry.describe(owner, name)))
  }

  list(owner: number): Promise<VMInfo[]> {
    return this.#registry.list(owner)
  }

  info(owner: number, name: string): Promise<VMInfo> {
    return this.#registry.describe(owner, name)
  }

  async destroy(owner: number, name: string): Promise<void> {
    await this.#destroy(this.#registry.find(owner, name))
  }

  async run(owner: number, name: string, request: RunRequest, caller: RunCaller = {}): Promise<RunOutcome> {
    const sandbox = this.#registry.find(owner, name)
    await this.#means.reserve.take()
    return this.#counted(sandbox.run(request, caller))
  }

  async pause(owner: number, name: string): Promise<VMInfo> {
    await this.#registry.find(owner, name).pause()
    return this.info(owner, name)
  }

  async resume(owner: number, name: string): Promise<VMInfo> {
    await this.#registry.find(owner, name).resume()
    return this.info(owner, name)
  }

  async setLifetime(owner: number, name: string, request: LifetimeRequest): Promise<VMInfo> {
    await this.#registry.find(owner, name).lifetime.set(request)
    return this.info(owner, name)
  }

  processes(owner: number, name: string): Processes {
    return this.#registry.find(owner, name).processes
  }

  async wipe(owner: number, name: string): Promise<void> {
    await this.#registry.find(owner, name).wipe()
  }

  async snapshots(owner: number, name: string): Promise<Snapshot[]> {
    const { row } = this.#registry.find(owner, name)
    return (await this.#means.store.snapshots({ sandboxId: row.id })).map(snapshotAnswer)
  }

  async allSnapshots(owner: number): Promise<Snapshot[]> {
    return (await this.#means.store.snapshots({ ownerId: owner })).map(snapshotAnswer)
  }

  async takeSnapshot(owner: number, name: string, { label, memory }: SnapshotRequest): Promise<Snapshot> {
    const sandbox = this.#registry.find(owner, name)
    const taken = await sandbox.history.take(label, memory)
    const snapshots = await this.snapshots(owner, name)
    const snapshot = snapshots.find((each) => each.snapshot_name === taken)
    if (snapshot === undefined) throw new Failure("not_found", `The snapshot "${taken}" is gone already.`)
    return snapshot
  }

  async deleteSnapshot(owner: number, name: string, snapshot: string): Promise<void> {
    const { history } = this.#registry.find(owner, name)
    await this.#makingRoom(() => history.delete(snapshot))
    await this.#means.removal.idle()
  }

  async restore(
    owner: number,
    name: string,
    snapshot: string,
    { keep }: RestoreRequest,
  ): Promise<{ kept?: string | undefined; degraded?: string | undefined }> {
    const sandbox = this.#registry.find(owner, name)
    return this.#makingRoom(() =>
      keep ? this.#restoreKeeping(sandbox, snapshot) : restoreOnly(sandbox, snapshot),
    )
  }

  async undo(owner: number, name: string): Promise<{ snapshot: string; degraded?: string | undefined }> {
    const { history } = this.#registry.find(owner, name)
    return this.#makingRoom(async () => {
      const { snapshot, degraded } = await history.undo()
      return { snapshot, degraded }
    })
  }

  directories(owner: number, name: string): DirectoryService {
    return this.#registry.find(owner, name).directories
  }

  files(owner: number, name: string): FileService {
    return this.#registry.find(owner, name).files
  }

  async retention(owner: number, name: string): Promise<RetentionStatus> {
    const { row, history } = this.#registry.find(owner, name)
    const { keepLast, keepDays, maxBytes, quotaBytes } = history.limits.effective
    return {
      keep_last: keepLast,
      keep_days: keepDays,
      max_bytes: maxBytes,
      quota_bytes: quotaBytes,
      bytes: await history.limits.diskBytes(),
      snapshots: await this.#means.store.countSnapshots(row.id),
    }
  }

  async setRetention(owner: number, name: string, request: RetentionRequest): Promise<RetentionStatus> {
    await this.#registry.find(owner, name).history.limits.set(request)
    return this.retention(owner, name)
  }

  async diff(owner: number, name: string, { from, to, patch }: DiffRequest): Promise<Diff> {
    const { history } = this.#registry.find(owner, name)
    return history.lookAt(from, (before) =>
      history.lookAt(to, async (after) => {
        const difference = await this.#looking.diff(before, after, patch)
        return { from: before.snapshot ?? from, to: after.snapshot, ...difference }
      }),
    )
  }

  async readAt(
    owner: number,
    name: string,
    snapshot: string,
    path: string,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const { history } = this.#registry.find(owner, name)
    return history.lookAt(snapshot, (disk) => this.#looking.readAt(disk, path))
  }

  export(owner: number, name: string, request: ExportRequest): Promise<ReadableStream<Uint8Array>> {
    return exportSandbox(this.#registry.find(owner, name), request, this.#means)
  }

  async import(owner: number, name: string, archive: ReadableStream<Uint8Array>): Promise<VMInfo> {
    await this.#registry.add([name], async () => {
      const row = await importSandbox(owner, name, archive, this.#image.diskBytes, this.#means)
      return { sandboxes: [await this.#open(row)], result: undefined }
    })
    return this.#registry.describe(owner, name)
  }

  async openSession(
    owner: number,
    name: string,
    request: SessionRequest,
    handlers: SessionHandlers,
  ): Promise<SandboxSession> {
    return this.#registry.find(owner, name).openSession(request, handlers)
  }

  identify(name: string): { id: number; owner: number } | undefined {
    return this.#registry.identify(name)
  }

  async connect(owner: number, name: string, address: GuestAddress): Promise<Duplex> {
    return this.#registry.find(owner, name).reach.connect(address)
  }

  async dial(owner: number, name: string, address: GuestAddress): Promise<Dialled> {
    return this.#registry.find(owner, name).reach.dial(address)
  }

  async listen(
    owner: number,
    name: string,
    address: GuestAddress,
    onConnection: OnConnection,
  ): Promise<GuestListener> {
    return this.#registry.find(owner, name).reach.listen(address, onConnection)
  }

  async waitForPort(
    owner: number,
    name: string,
    port: number,
    timeoutSeconds: number,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#registry.find(owner, name).reach.waitForPort(port, timeoutSeconds, signal)
  }

  /** Ends all machines in order, each with what its guest has written. */
  async close(): Promise<void> {
    clearInterval(this.#expiry)
    this.#means.alarms.close()
    await this.#looking.close()
    await this.#means.compactor.close()
    await this.#means.compressor.close()
    await this.#means.reserve.giveWhenFull()
    await this.#registry.close()
    await this.#means.removal.idle()
    await this.#means.memoryRemoval.idle()
  }

  async #destroy(sandbox: Sandbox): Promise<void> {
    await this.#makingRoom(() => this.#registry.destroy(sandbox))
    await this.#means.removal.idle()
    await this.#means.images.removeUnused(() => this.#means.store.imageKeys())
  }

  async #counted(command: Promise<RunOutcome>): Promise<RunOutcome> {
    const { commands } = this.#means.metrics
    try {
      const outcome = await command
      commands.inc({ outcome: "ok" })
      return outcome
    } catch (error) {
      const code = error instanceof Failure ? error.code : "internal"
      const told = code === "timeout" || code === "interrupted" || code === "aborted"
      commands.inc({ outcome: told ? code : "failed" })
      throw error
    }
  }

  /** Does what gives room back: it has to be recorded even on a disk that is full. */
  async #makingRoom<T>(change: () => Promise<T>): Promise<T> {
    await this.#means.reserve.giveWhenFull()
    const result = await change()
    // Where there is plenty, nobody need wait for more.
    if (!(await hasSpace(this.#means.dataDirectory))) {
      await this.#means.removal.idle()
      await this.#means.memoryRemoval.idle()
    }
    await this.#means.reserve.take()
    return result
  }

  /** Goes back after what the sandbox is now has become a sandbox of its own. */
  async #restoreKeeping(
    sandbox: Sandbox,
    snapshot: string,
  ): Promise<{ kept: string; degraded?: string | undefined }> {
    const { name, owner_id, image_key } = sandbox.row
    const kept = this.#nameForKept(name)
    return this.#registry.add([kept], async () => {
      const own = { retention: sandbox.history.limits.own, ...inherited(sandbox) }
      const keep = unborn(owner_id, kept, image_key, own)
      const { kept: row, degraded } = await sandbox.history.restore(snapshot, keep)
      return { sandboxes: row === undefined ? [] : [await this.#open(row)], result: { kept, degraded } }
    })
  }

  #nameForKept(name: string): string {
    const stem = `${name.slice(0, keptNameLength).replace(/-+$/, "")}-kept`
    let kept = stem
    for (let number = 2; this.#registry.has(kept); number++) kept = `${stem}-${number}`
    return kept
  }

  async #open(row: SandboxRow): Promise<Sandbox> {
    const [newest] = await this.#means.store.newestSnapshots(row.id, 1)
    return new Sandbox(row, this.#means, newest?.created_at ?? row.created_at)
  }

  async #measure(): Promise<void> {
    const { metrics, layers } = this.#means
    const totals = await layers.totals()
    metrics.layers.set(totals.layers)
    metrics.layerBytes.set(totals.bytes)
    metrics.damagedLayers.set(totals.damaged)
    const { budget } = this.#means.room
    metrics.memoryBudget.set(budget.totalMiB * mebibyte)
    metrics.memoryCommitted.set(budget.committedMiB * mebibyte)
    const memories = await this.#means.memories.totals()
    metrics.memories.set(memories.memories)
    metrics.memoryBytes.set(memories.bytes)
    metrics.damagedMemories.set(memories.damaged)
    const { sandboxes } = this.#registry
    metrics.sandboxes.set(sandboxes.length)
    metrics.machines.set(sandboxes.filter((sandbox) => sandbox.status === "running").length)
    metrics.pausedSandboxes.set(sandboxes.filter((sandbox) => sandbox.status === "paused").length)
  }
}

/** What a fork has of its origin. */
function inherited({ row, lifetime }: Sandbox): SandboxSettings {
  return { network: networkOf(row), size: sizeOf(row), snapshots: row.snapshot_kind, ...lifetime.passedOn }
}

async function restoreOnly(sandbox: Sandbox, snapshot: string): Promise<{ degraded?: string | undefined }> {
  const { degraded } = await sandbox.history.restore(snapshot)
  return { degraded }
}
