import { randomBytes } from "node:crypto"
import { mkdir, readdir, realpath, rm } from "node:fs/promises"
import { join } from "node:path"
import type { AcceleratorChoice } from "./accelerator/remembered-choice.js"
import type { Durability } from "./durability.js"
import { LayerDirectory } from "./disk/layer-directory.js"
import type { LayerId } from "./disk/layer.js"
import type { Image } from "./image.js"
import { machineFiles } from "./machine/command-line.js"
import type { Machine, MachineId } from "./machine/machine.js"
import { MachineViewer } from "./machine/machine-viewer.js"
import { MachineProcess } from "./machine/process.js"
import type { NetworkPolicy } from "./network/network-policy.js"
import { adoptMachine, startMachine, type GuestIdentity } from "./machine/start.js"
import type { Viewer } from "./machine/viewer.js"
import { TemplateStore } from "./template/template-store.js"
import { longestSocketPath } from "./unix-socket.js"

export interface MachineRoomOptions {
  /** Holds the layers and the machines; belongs to one server at a time. */
  readonly dataDirectory: string
  /** Holds what can be made again: templates and the accelerator's probe. Shared by all servers of the user. */
  readonly cacheDirectory: string
  /** The image of new sandboxes. */
  readonly image: Image
  /** Memory of each machine. */
  readonly memoryMiB: number
  readonly durability: Durability
}

/** The place where machines run: it starts them, takes them up again after a crash, and knows their disks' layers. */
export class MachineRoom {
  readonly disk: LayerDirectory
  /** What runs the guests' instructions here, and why. */
  readonly choice: AcceleratorChoice
  readonly #machines: string
  readonly #templates: TemplateStore

  private constructor(machines: string, disk: LayerDirectory, templates: TemplateStore) {
    this.#machines = machines
    this.disk = disk
    this.#templates = templates
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
    await mkdir(machines, { recursive: true, mode: 0o700 })
    await mkdir(layers, { recursive: true, mode: 0o700 })
    const real = await realpath(machines)
    requireShortPath(real)
    const templates = await TemplateStore.open(options.cacheDirectory, options.image, options.memoryMiB)
    await templates.get(options.image, false)
    return new MachineRoom(real, new LayerDirectory(layers, options.durability), templates)
  }

  newMachineId(): MachineId {
    return `m${randomBytes(6).toString("hex")}`
  }

  /**
   * Starts a machine on a disk; some 250 ms under emulation. The first one with a network boots the guest, as `open` does.
   *
   * @param layers From the oldest to the writable head.
   * @param identity Default: the disk keeps the names of the machine that it was made in.
   * @param network What it may reach; by default nothing.
   * @throws MachineStartError; nothing of the machine is left then.
   */
  async start(
    id: MachineId,
    image: Image,
    layers: readonly LayerId[],
    identity?: GuestIdentity,
    network: NetworkPolicy = "none",
  ): Promise<Machine> {
    return startMachine(
      id,
      this.#directory(id),
      await this.#templates.get(image, network !== "none"),
      this.disk,
      layers,
      identity,
      network,
    )
  }

  /**
   * Starts a machine to look at a disk's files with; some 250 ms under emulation. What it writes goes into `scratch`, an
   * empty layer that the caller made on top of the others and removes once the viewer is closed.
   *
   * @param layers From the oldest to the one to look at; none for the image's blank disk.
   * @throws MachineStartError; nothing of the machine is left then.
   */
  async view(id: MachineId, image: Image, layers: readonly LayerId[], scratch: LayerId): Promise<Viewer> {
    return new MachineViewer(await this.start(id, image, [...layers, scratch]))
  }

  /**
   * Takes up a machine that an earlier server left running; undefined when it runs no more. Connections that its guest had
   * to the network ended with that server.
   *
   * @param network What it may reach, as it was started with.
   * @throws MachineStartError when it runs but cannot be used; it is ended then.
   */
  adopt(id: MachineId, network: NetworkPolicy): Promise<Machine | undefined> {
    return adoptMachine(id, this.#directory(id), this.disk, network)
  }

  /** Ends a machine, whichever server started it, and removes what it left behind. */
  async end(id: MachineId): Promise<void> {
    const process = await MachineProcess.find(this.#directory(id))
    await process?.kill()
    await rm(this.#directory(id), { recursive: true, force: true })
  }

  /** Ends all machines but those named. */
  async endAllBut(keep: ReadonlySet<MachineId>): Promise<void> {
    for (const id of await readdir(this.#machines)) if (!keep.has(id)) await this.end(id)
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
