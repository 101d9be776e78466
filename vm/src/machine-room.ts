import { randomBytes } from "node:crypto"
import { mkdir, readdir, realpath, rm } from "node:fs/promises"
import { join } from "node:path"
import type { AcceleratorChoice } from "./accelerator/remembered-choice.js"
import type { Durability } from "./durability.js"
import { MachineCgroups, NoCgroupsError } from "./cgroups/machine-cgroups.js"
import { LayerDirectory } from "./disk/layer-directory.js"
import type { LayerId } from "./disk/layer.js"
import type { Image } from "./image.js"
import { memoryForMachinesMiB } from "./host-memory.js"
import { machineFiles } from "./machine/command-line.js"
import { resumeMachine } from "./machine/resume.js"
import { MemoryDirectory } from "./memory/memory-directory.js"
import { DamagedMemoryError, type MemoryId } from "./memory/memory.js"
import { SharedChains } from "./memory/shared-chains.js"
import type { Machine, MachineId } from "./machine/machine.js"
import { MachineViewer } from "./machine/machine-viewer.js"
import { MachineProcess } from "./machine/process.js"
import { overheadMiB, type MachineSize } from "./machine/size.js"
import { MemoryBudget } from "./memory-budget.js"
import type { NetworkPolicy } from "./network/network-policy.js"
import { adoptMachine, startMachine, type GuestIdentity } from "./machine/start.js"
import { WarmStarts, type WarmOptions } from "./pool/warm-starts.js"
import type { Viewer } from "./machine/viewer.js"
import { HeldTemplates } from "./template/held-templates.js"
import { TemplateStore } from "./template/template-store.js"
import { longestSocketPath } from "./unix-socket.js"

type Confinement = MachineCgroups | NoCgroupsError

export interface MachineRoomOptions {
  /** Holds the layers and the machines; belongs to one server at a time. */
  readonly dataDirectory: string
  /** Holds what can be made again: templates and the accelerator's probe. Shared by all servers of the user. */
  readonly cacheDirectory: string
  /** The image of new sandboxes. */
  readonly image: Image
  /** Of machines that are started without another one. */
  readonly size: MachineSize
  /** Memory that all machines may have together. Default: four fifths of the host's. */
  readonly budgetMiB?: number | undefined
  readonly durability: Durability
}

/** How a machine is started, beside its image and its disk. */
export interface StartOptions {
  /** Default: the disk keeps the names of the machine that it was made in. */
  readonly identity?: GuestIdentity | undefined
  /** What it may reach; by default nothing. */
  readonly network?: NetworkPolicy | undefined
  /** Default: the room's. */
  readonly size?: MachineSize | undefined
  /** A machine that this one replaces and that ends soon after: until then their memory counts once. */
  readonly inPlaceOf?: MachineId | undefined
}

/** The place where machines run: it starts them, takes them up again after a crash, and knows their disks' layers. */
export class MachineRoom {
  readonly disk: LayerDirectory
  /** What guests' memories held at single instants. */
  readonly memories: MemoryDirectory
  /** What runs the guests' instructions here, and why. */
  readonly choice: AcceleratorChoice
  /** The memory that machines may have together. */
  readonly budget: MemoryBudget
  /** What the host's kernel holds machines to by control groups, and why it holds them to nothing where it does not. */
  readonly limits: { readonly held: readonly string[]; readonly reason?: string }
  readonly #machines: string
  readonly #templates: TemplateStore
  readonly #held: HeldTemplates
  readonly #chains: SharedChains
  readonly #cgroups: MachineCgroups | undefined
  /** The image of new sandboxes, and the size of those that are made with no other. */
  readonly #image: Image
  readonly #size: MachineSize
  /** The templates of the machines of which a memory may yet be taken. */
  readonly #cloned = new Map<MachineId, string>()
  #warm: WarmStarts | undefined

  private constructor(
    machines: string,
    disk: LayerDirectory,
    memories: MemoryDirectory,
    held: HeldTemplates,
    templates: TemplateStore,
    budget: MemoryBudget,
    confinement: Confinement,
    { image, size }: MachineRoomOptions,
  ) {
    this.#machines = machines
    this.disk = disk
    this.memories = memories
    this.#chains = new SharedChains(memories)
    this.#held = held
    this.#templates = templates
    this.budget = budget
    this.#cgroups = confinement instanceof MachineCgroups ? confinement : undefined
    this.limits =
      confinement instanceof MachineCgroups
        ? { held: confinement.controllers }
        : { held: [], reason: confinement.message }
    this.#image = image
    this.#size = size
    this.choice = templates.choice
  }

  /**
   * Makes the room ready: directories, accelerator, template. The first time on a host takes a boot of the guest
   * (some seconds), and ten seconds more when `/dev/kvm` opens but does not work.
   *
   * @throws Error that says what to do: QEMU is missing, the data directory's path is too long, the guest does not boot.
   */
  static async open(options: MachineRoomOptions): Promise<MachineRoom> {
    const machines = join(options.dataDirectory, "machines")
    const layers = join(options.dataDirectory, "layers")
    const memories = join(options.dataDirectory, "memories")
    const held = join(options.dataDirectory, "templates")
    for (const directory of [machines, layers, memories, held])
      await mkdir(directory, { recursive: true, mode: 0o700 })
    const real = await realpath(machines)
    requireShortPath(real)
    const { image, size } = options
    const templates = await TemplateStore.open(options.cacheDirectory, image, size)
    await templates.get(image, false, size)
    const confinement = await MachineCgroups.open().catch((error: unknown) => {
      if (error instanceof NoCgroupsError) return error
      throw error
    })
    const budget = new MemoryBudget(options.budgetMiB ?? memoryForMachinesMiB())
    return new MachineRoom(
      real,
      new LayerDirectory(layers, options.durability),
      new MemoryDirectory(memories, options.durability),
      new HeldTemplates(held, templates.directory, options.durability),
      templates,
      budget,
      confinement,
      options,
    )
  }

  /** The memory that a guest can have when no other machine runs. */
  get largestMemoryMiB(): number {
    return this.budget.totalMiB - overheadMiB(this.choice.accelerator)
  }

  newMachineId(): MachineId {
    return `m${randomBytes(6).toString("hex")}`
  }

  /**
   * Starts a machine on a disk; some 250 ms under emulation. The first one of a size, or with a network, boots the guest,
   * as `open` does.
   *
   * @param layers From the oldest to the writable head.
   * @throws MachineStartError; nothing of the machine is left then. MemoryShortageError.
   */
  async start(
    id: MachineId,
    image: Image,
    layers: readonly LayerId[],
    { identity, network = "none", size = this.#size, inPlaceOf }: StartOptions = {},
  ): Promise<Machine> {
    return this.#admitted(id, size, inPlaceOf, async () => {
      const template = await this.#templates.get(image, network !== "none", size)
      const directory = this.#directory(id)
      const cold = () =>
        startMachine(
          id,
          directory,
          template,
          this.disk,
          this.memories,
          layers,
          image.diskBytes,
          identity,
          network,
          this.#cgroups,
        )
      const warm = this.#warm
      return warm === undefined
        ? cold()
        : warm.start({ id, directory, template, image, layers, identity, cold })
    })
  }

  /**
   * Starts a machine whose guest goes on where another one stood still, see `Machine.sealWhole`: with its processes, its
   * memory and what was open, but with a new clock and random generator. What was running for a caller then is among the
   * guest's `processes`.
   *
   * @param layers From the oldest to the head, which is empty and rests on what the disk showed at that instant.
   * @param memories From the one that rests on the template alone to the newest; none of them may be removed meanwhile.
   * @throws DamagedMemoryError when a memory, or the template that it rests on, is missing or not what it was.
   *   MachineStartError, MemoryShortageError. Nothing of the machine is left then.
   */
  async resume(
    id: MachineId,
    image: Image,
    layers: readonly LayerId[],
    memories: readonly MemoryId[],
    { identity, network = "none", size = this.#size, inPlaceOf }: StartOptions = {},
  ): Promise<Machine> {
    return this.#admitted(id, size, inPlaceOf, () => {
      const start = () => this.#resumed(id, image, layers, memories, identity, network)
      return this.#warm === undefined ? start() : this.#warm.beside(start)
    })
  }

  /**
   * Keeps a template, by its `id`, for the memories that rest on it.
   *
   * @throws Error when it is neither kept already nor in the cache.
   */
  holdTemplate(id: string): Promise<void> {
    return this.#held.hold(id)
  }

  /**
   * Keeps templates no longer that no memory rests on, unless a machine runs on it, of which one may yet be taken.
   *
   * @param stillNeeded Gives the ids of those that memories rest on.
   */
  releaseTemplates(stillNeeded: () => Promise<ReadonlySet<string>>): Promise<void> {
    return this.#held.release(async () => new Set([...(await stillNeeded()), ...this.#cloned.values()]))
  }

  /**
   * Keeps machines of the image of new sandboxes ready from now on, without a network, as far as the memory for machines
   * is not needed otherwise. `start` takes one where it fits, and is that much faster.
   */
  async keepWarm(options: WarmOptions): Promise<void> {
    const { budget } = this
    const template = () => this.#templates.get(this.#image, false, this.#size)
    this.#warm = new WarmStarts(
      {
        machines: this.#machines,
        template: await template(),
        latest: template,
        disk: this.disk,
        memories: this.memories,
        room: () => Math.floor((budget.totalMiB - budget.committedMiB) / this.#takenMiB(this.#size)),
        cgroups: this.#cgroups,
      },
      options,
    )
  }

  /** How many machines are ready. */
  get warmMachines(): number {
    return this.#warm?.machines ?? 0
  }

  /** Ends the machines that are ready. Those that were started go on; they are the caller's. */
  async close(): Promise<void> {
    await this.#warm?.close()
  }

  /**
   * Starts a machine to look at a disk's files with; some 250 ms under emulation. What it writes goes into `scratch`, an
   * empty layer that the caller made on top of the others and removes once the viewer is closed.
   *
   * @param layers From the oldest to the one to look at; none for the image's blank disk.
   * @throws MachineStartError; nothing of the machine is left then. MemoryShortageError.
   */
  async view(id: MachineId, image: Image, layers: readonly LayerId[], scratch: LayerId): Promise<Viewer> {
    const machine = await this.start(id, image, [...layers, scratch])
    // No memory is ever taken of it.
    this.#cloned.delete(id)
    return new MachineViewer(machine)
  }

  /**
   * Takes up a machine that an earlier server left running; undefined when it runs no more. Connections that its guest had
   * to the network ended with that server.
   *
   * @param network What it may reach, as it was started with.
   * @param size As it was started with.
   * @throws MachineStartError when it runs but cannot be used; it is ended then.
   */
  async adopt(id: MachineId, network: NetworkPolicy, size: MachineSize): Promise<Machine | undefined> {
    const machine = await adoptMachine(id, this.#directory(id), this.disk, this.memories, network)
    if (machine !== undefined) {
      this.budget.count(id, this.#takenMiB(size))
      this.#remember(machine)
    }
    return machine
  }

  /** Ends a machine, whichever server started it, and removes what it left behind. */
  async end(id: MachineId): Promise<void> {
    const process = await MachineProcess.find(this.#directory(id))
    await process?.kill()
    await rm(this.#directory(id), { recursive: true, force: true })
    await this.#forget(id)
  }

  /** Ends all machines but those named. */
  async endAllBut(keep: ReadonlySet<MachineId>): Promise<void> {
    for (const id of await readdir(this.#machines)) if (!keep.has(id)) await this.end(id)
  }

  #resumed(
    id: MachineId,
    image: Image,
    layers: readonly LayerId[],
    memories: readonly MemoryId[],
    identity: GuestIdentity | undefined,
    policy: NetworkPolicy,
  ): Promise<Machine> {
    return this.#chains.use(memories, async (chain) => {
      const template = await this.#held.get(chain.template, image)
      if (template === undefined)
        throw new DamagedMemoryError(chain.newest, "the template that it rests on is missing")
      const directory = this.#directory(id)
      const [disk, cgroups] = [this.disk, this.#cgroups]
      const means = { directory, template, disk, memories: this.memories, cgroups }
      try {
        return await resumeMachine({ ...means, id, layers, chain, identity, policy })
      } catch (error) {
        if (this.#templates.fits(template)) throw error
        throw new DamagedMemoryError(chain.newest, "this QEMU or processor does not take it", {
          cause: error,
        })
      }
    })
  }

  /** Starts a machine that is counted from before it is there until it is gone. */
  async #admitted(
    id: MachineId,
    size: MachineSize,
    inPlaceOf: MachineId | undefined,
    start: () => Promise<Machine>,
  ): Promise<Machine> {
    await this.budget.admit(id, this.#takenMiB(size), inPlaceOf)
    try {
      const machine = await start()
      this.#remember(machine)
      return machine
    } catch (error) {
      await this.#forget(id)
      throw error
    }
  }

  /** All the memory that a machine may come to take. */
  #takenMiB({ memoryMiB }: MachineSize): number {
    return memoryMiB + overheadMiB(this.choice.accelerator)
  }

  #remember(machine: Machine): void {
    this.#cloned.set(machine.id, machine.template)
    machine.onGone(() => this.#forget(machine.id))
  }

  /** Gives back what a machine had of the host, now that it is gone. */
  async #forget(id: MachineId): Promise<void> {
    this.budget.release(id)
    this.#cloned.delete(id)
    await this.#cgroups?.sweep()
  }

  #directory(id: MachineId): string {
    return join(this.#machines, id)
  }
}

/** A socket's address holds only so much: better said at the start than by a machine that nobody can reach. */
function requireShortPath(machines: string): void {
  const sample = join(machines, `m${"0".repeat(12)}`, machineFiles.network)
  if (sample.length > longestSocketPath) {
    const allowed = longestSocketPath - (sample.length - machines.length) - "/machines".length
    throw new Error(
      `the data directory's path is too long for Unix sockets: use one of at most ${allowed} characters`,
    )
  }
}
