import { newLayerId, type Image } from "@opensandbox/vm"
import { Failure } from "../failure.js"
import type { OpenPorts, SandboxPorts } from "../ports/sandbox-ports.js"
import type { SnapshotRow } from "../store/tables.js"
import { guestIdentity, requireSpace, type SandboxMeans } from "./means.js"
import { recover } from "./recovery.js"
import { Sandbox } from "./sandbox.js"
import type {
  Diff,
  RetentionStatus,
  RunOutcome,
  RunRequest,
  SandboxService,
  SandboxSession,
  SessionHandlers,
  SessionRequest,
  Snapshot,
  VMInfo,
} from "./sandbox-service.js"
import { asFailure } from "./storage-failure.js"

/** Opens the two ports on the host's loopback at which each sandbox can be reached by itself. */
export type PortOpener = Pick<SandboxPorts, "open" | "close">

interface Entry {
  readonly sandbox: Sandbox
  readonly ports: OpenPorts
}

/** All sandboxes of this server. Names are unique over all owners, as host names are. */
export class Sandboxes implements SandboxService {
  readonly #means: SandboxMeans
  readonly #ports: PortOpener
  /** The image of new sandboxes. */
  readonly #image: Image
  readonly #maxSandboxes: number
  readonly #entries = new Map<string, Entry>()
  /** Sandboxes that are being created, by name. */
  readonly #births = new Map<string, Promise<Entry>>()
  #closing = false

  private constructor(means: SandboxMeans, ports: PortOpener, image: Image, maxSandboxes: number) {
    this.#means = means
    this.#ports = ports
    this.#image = image
    this.#maxSandboxes = maxSandboxes
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
    const sandboxes = new Sandboxes(means, ports, image, maxSandboxes)
    const recovered = await recover(means)
    try {
      for (const sandbox of recovered) await sandboxes.#enter(sandbox)
    } catch (error) {
      // A server that does not start holds on to no machine.
      await Promise.allSettled(recovered.map((sandbox) => sandbox.close()))
      throw error
    }
    return sandboxes
  }

  async create(owner: number, name: string): Promise<VMInfo> {
    if (this.#closing) throw new Failure("unavailable", "The server is shutting down.")
    if (this.#entries.has(name) || this.#births.has(name)) {
      throw new Failure("already_exists", `The name "${name}" is taken: choose another one.`, {
        field: "name",
      })
    }
    if (this.#entries.size + this.#births.size >= this.#maxSandboxes) {
      throw new Failure(
        "limit_reached",
        `This server holds ${this.#maxSandboxes} sandboxes, its limit: destroy one, or raise OPENSANDBOX_MAX_SANDBOXES.`,
      )
    }
    const birth = this.#bear(owner, name)
    this.#births.set(name, birth)
    try {
      return await this.#describe(await birth)
    } finally {
      this.#births.delete(name)
    }
  }

  list(owner: number): Promise<VMInfo[]> {
    const entries = [...this.#entries.values()].filter((entry) => entry.sandbox.row.owner_id === owner)
    return Promise.all(
      entries.sort((a, b) => a.sandbox.row.id - b.sandbox.row.id).map((entry) => this.#describe(entry)),
    )
  }

  async info(owner: number, name: string): Promise<VMInfo> {
    return this.#describe(this.#find(owner, name))
  }

  async destroy(owner: number, name: string): Promise<void> {
    const { sandbox } = this.#find(owner, name)
    await this.#means.reserve.giveWhenFull()
    await sandbox.destroy()
    this.#entries.delete(name)
    await this.#ports.close(sandbox.row.id)
    await this.#means.reserve.take()
  }

  async run(owner: number, name: string, request: RunRequest): Promise<RunOutcome> {
    const { sandbox } = this.#find(owner, name)
    await this.#means.reserve.take()
    return sandbox.run(request)
  }

  async wipe(owner: number, name: string): Promise<void> {
    await this.#find(owner, name).sandbox.wipe()
  }

  async snapshots(owner: number, name: string): Promise<Snapshot[]> {
    const { sandbox } = this.#find(owner, name)
    return (await this.#means.store.snapshots({ sandboxId: sandbox.row.id })).map(toWire)
  }

  async allSnapshots(owner: number): Promise<Snapshot[]> {
    return (await this.#means.store.snapshots({ ownerId: owner })).map(toWire)
  }

  async restore(owner: number, name: string, snapshot: string): Promise<{ kept?: string }> {
    const { sandbox } = this.#find(owner, name)
    await this.#means.reserve.giveWhenFull()
    await sandbox.restore(snapshot)
    await this.#means.reserve.take()
    return {}
  }

  fork(): Promise<VMInfo[]> {
    return Promise.reject(notYet())
  }

  takeSnapshot(): Promise<Snapshot> {
    return Promise.reject(notYet())
  }

  deleteSnapshot(): Promise<void> {
    return Promise.reject(notYet())
  }

  undo(): Promise<{ snapshot: string }> {
    return Promise.reject(notYet())
  }

  diff(): Promise<Diff> {
    return Promise.reject(notYet())
  }

  readAt(): Promise<Uint8Array<ArrayBuffer>> {
    return Promise.reject(notYet())
  }

  retention(): Promise<RetentionStatus> {
    return Promise.reject(notYet())
  }

  setRetention(): Promise<RetentionStatus> {
    return Promise.reject(notYet())
  }

  export(): Promise<ReadableStream<Uint8Array>> {
    return Promise.reject(notYet())
  }

  import(): Promise<VMInfo> {
    return Promise.reject(notYet())
  }

  async openSession(
    owner: number,
    name: string,
    request: SessionRequest,
    handlers: SessionHandlers,
  ): Promise<SandboxSession> {
    return this.#find(owner, name).sandbox.openSession(request, handlers)
  }

  /** Ends all machines in order, each with what its guest has written. */
  async close(): Promise<void> {
    this.#closing = true
    await Promise.allSettled(this.#births.values())
    await this.#means.reserve.giveWhenFull()
    await Promise.all([...this.#entries.values()].map(({ sandbox }) => sandbox.close()))
  }

  /** Makes a sandbox that can be reached; one that cannot is no use to anybody, and goes again. */
  async #bear(owner: number, name: string): Promise<Entry> {
    const sandbox = await this.#make(owner, name)
    try {
      return await this.#enter(sandbox)
    } catch (error) {
      this.#means.log.error({ sandbox: name, err: error }, "the sandbox's ports could not be opened")
      await sandbox.destroy()
      throw asFailure(error)
    }
  }

  /** Makes a machine on an empty disk, and records it last: until then there is no sandbox, only files to sweep up. */
  async #make(ownerId: number, name: string): Promise<Sandbox> {
    const { store, room, dataDirectory } = this.#means
    const createdAt = Date.now()
    const head = newLayerId()
    try {
      await requireSpace(dataDirectory)
      await room.disk.create(head, undefined, this.#image)
      const identity = guestIdentity({ name, created_at: createdAt })
      const machine = await room.start(room.newMachineId(), this.#image, [head], identity)
      try {
        const rest = { layer: null, writes: await machine.writes() }
        const [imageKey, machineId] = [this.#image.key, machine.id]
        // Nothing may fail after this: what follows a failure removes the sandbox's files.
        const row = await store.create({ ownerId, name, imageKey, machineId, head, createdAt })
        return new Sandbox(row, this.#means, createdAt, machine, rest)
      } catch (error) {
        await machine.kill()
        throw error
      }
    } catch (error) {
      await room.disk.remove(head)
      this.#means.log.error({ sandbox: name, err: error }, "the sandbox could not be created")
      throw asFailure(error)
    }
  }

  async #enter(sandbox: Sandbox): Promise<Entry> {
    const { id, name, owner_id, agent_port, ssh_port } = sandbox.row
    const ports = await this.#ports.open({
      id,
      name,
      ownerId: owner_id,
      agentPort: agent_port,
      sshPort: ssh_port,
    })
    if (ports.agentPort !== agent_port || ports.sshPort !== ssh_port)
      await this.#means.store.setPorts(id, ports)
    const entry = { sandbox, ports }
    this.#entries.set(name, entry)
    return entry
  }

  #find(owner: number, name: string): Entry {
    const entry = this.#entries.get(name)
    if (entry?.sandbox.row.owner_id !== owner) {
      throw new Failure("not_found", `There is no sandbox "${name}".`)
    }
    return entry
  }

  async #describe({ sandbox, ports }: Entry): Promise<VMInfo> {
    return {
      id: sandbox.row.id,
      name: sandbox.row.name,
      status: sandbox.status,
      agent_port: ports.agentPort,
      ssh_port: ports.sshPort,
      agentHealthy: await sandbox.healthy(),
      accelerator: this.#means.room.choice.accelerator,
      created_at: new Date(sandbox.row.created_at).toISOString(),
    }
  }
}

function notYet(): Failure {
  return new Failure("unavailable", "This server cannot do this yet.")
}

function toWire(row: SnapshotRow & { vm_name: string }): Snapshot {
  return {
    id: row.id,
    vm_name: row.vm_name,
    snapshot_name: row.name,
    label: null,
    parent: null,
    command: row.command,
    exit_code: row.exit_code,
    duration_ms: null,
    bytes: 0,
    kind: "disk",
    damaged: false,
    created_at: new Date(row.created_at).toISOString(),
  }
}
