import { Failure } from "../failure.js"
import type { OpenPorts, SandboxPorts } from "../ports/sandbox-ports.js"
import type { SandboxMeans } from "./means.js"
import { networkOf } from "./network.js"
import type { Sandbox } from "./sandbox.js"
import { describeSize, imageOf } from "./size.js"
import type { VMInfo } from "./sandbox-service.js"
import { asFailure } from "../storage/storage-failure.js"

/** Opens the two ports on the host's loopback at which each sandbox can be reached by itself. */
export type PortOpener = Pick<SandboxPorts, "open" | "close">

/** A sandbox that can be reached. */
interface Entry {
  readonly sandbox: Sandbox
  readonly ports: OpenPorts
}

/** The sandboxes of this server, by name. Names are unique over all owners, as host names are. */
export class Registry {
  readonly #means: SandboxMeans
  readonly #ports: PortOpener
  readonly #maxSandboxes: number
  readonly #expire: (sandbox: Sandbox) => Promise<void>
  readonly #entries = new Map<string, Entry>()
  /** What makes sandboxes that are not there yet, by name. */
  readonly #births = new Map<string, Promise<unknown>>()
  #closing = false

  /**
   * @param maxSandboxes How many there may be at the same time.
   * @param expire Destroys a sandbox whose time is over, by `destroy`.
   */
  constructor(
    means: SandboxMeans,
    ports: PortOpener,
    maxSandboxes: number,
    expire: (sandbox: Sandbox) => Promise<void>,
  ) {
    this.#means = means
    this.#ports = ports
    this.#maxSandboxes = maxSandboxes
    this.#expire = expire
  }

  /** All of them. */
  get sandboxes(): Sandbox[] {
    return [...this.#entries.values()].map(({ sandbox }) => sandbox)
  }

  /** @throws Failure `not_found`, also for what is another owner's. */
  find(owner: number, name: string): Sandbox {
    return this.#find(owner, name).sandbox
  }

  /** The number and the owner of the sandbox of that name. */
  identify(name: string): { id: number; owner: number } | undefined {
    const row = this.#entries.get(name)?.sandbox.row
    return row && { id: row.id, owner: row.owner_id }
  }

  /** Whether a name is taken, or soon will be. */
  has(name: string): boolean {
    return this.#entries.has(name) || this.#births.has(name)
  }

  async describe(owner: number, name: string): Promise<VMInfo> {
    return this.#describe(this.#find(owner, name))
  }

  /** An owner's sandboxes, by creation time. */
  async list(owner: number): Promise<VMInfo[]> {
    const own = [...this.#entries.values()].filter(({ sandbox }) => sandbox.row.owner_id === owner)
    return Promise.all(
      own.sort((a, b) => a.sandbox.row.id - b.sandbox.row.id).map((entry) => this.#describe(entry)),
    )
  }

  /**
   * Makes sandboxes under names that nobody else gets meanwhile, and opens their ports. Those that cannot be reached are
   * no use to anybody, and go again, all of them.
   *
   * @throws Failure `already_exists`, `limit_reached`, `unavailable`, and what `make` throws.
   */
  async add<T>(
    names: readonly string[],
    make: () => Promise<{ sandboxes: Sandbox[]; result: T }>,
  ): Promise<T> {
    if (this.#closing) throw new Failure("unavailable", "The server is shutting down.")
    const taken = names.find((name) => this.has(name))
    if (taken !== undefined) {
      throw new Failure("already_exists", `The name "${taken}" is taken: choose another one.`, {
        field: "name",
      })
    }
    if (this.#entries.size + this.#births.size + names.length > this.#maxSandboxes) {
      throw new Failure(
        "limit_reached",
        `This server holds at most ${this.#maxSandboxes} sandboxes: destroy one, or raise OPENSANDBOX_MAX_SANDBOXES.`,
      )
    }
    const birth = make().then(async ({ sandboxes, result }) => {
      await this.#enterAll(sandboxes)
      return result
    })
    for (const name of names) this.#births.set(name, birth)
    try {
      return await birth
    } finally {
      for (const name of names) this.#births.delete(name)
    }
  }

  /**
   * Makes the owner's sandbox of that name unless it is there, or will be once what makes it already is done.
   *
   * @returns what `make` gives, undefined when it was not needed.
   * @throws as `add` does; `already_exists` when another owner has the name.
   */
  async findOrAdd<T>(
    owner: number,
    name: string,
    make: () => Promise<{ sandboxes: Sandbox[]; result: T }>,
  ): Promise<T | undefined> {
    for (let birth = this.#births.get(name); birth !== undefined; birth = this.#births.get(name)) {
      await birth.catch(() => undefined)
    }
    // Nobody else gets a turn between this question and the entry that `add` makes.
    if (this.#entries.get(name)?.sandbox.row.owner_id === owner) return undefined
    return this.add([name], make)
  }

  /** Opens the ports of a sandbox, and deletes what is beyond its limits: no server may have got to it before. */
  async enter(sandbox: Sandbox): Promise<void> {
    const { id, name, owner_id, agent_port, ssh_port } = sandbox.row
    const ports = await this.#ports.open({
      id,
      name,
      ownerId: owner_id,
      agentPort: agent_port,
      sshPort: ssh_port,
    })
    if (ports.agentPort !== agent_port || ports.sshPort !== ssh_port) await this.#recordPorts(id, ports)
    this.#entries.set(name, { sandbox, ports })
    sandbox.history.limits.enforce()
    sandbox.lifetime.start(() => this.#expire(sandbox))
  }

  async destroy(sandbox: Sandbox): Promise<void> {
    await sandbox.destroy()
    this.#entries.delete(sandbox.row.name)
    await this.#ports.close(sandbox.row.id)
  }

  /** Takes no more sandboxes, and ends the machines of all in order, each with what its guest has written. */
  async close(): Promise<void> {
    this.#closing = true
    await Promise.allSettled(this.#births.values())
    await Promise.all(this.sandboxes.map((sandbox) => sandbox.close()))
  }

  async #enterAll(sandboxes: readonly Sandbox[]): Promise<void> {
    try {
      for (const sandbox of sandboxes) await this.enter(sandbox)
    } catch (error) {
      this.#means.log.error({ err: error }, "a new sandbox's ports could not be opened")
      for (const sandbox of sandboxes) await this.destroy(sandbox)
      throw asFailure(error)
    }
  }

  /** Ports that cannot be recorded are as good as others until the next start, which then opens other ones. */
  async #recordPorts(sandboxId: number, ports: OpenPorts): Promise<void> {
    await this.#means.store.setPorts(sandboxId, ports).catch((error: unknown) => {
      this.#means.log.warn({ sandboxId, err: error }, "a sandbox's ports could not be recorded")
    })
  }

  #find(owner: number, name: string): Entry {
    const entry = this.#entries.get(name)
    if (entry?.sandbox.row.owner_id === owner) return entry
    throw new Failure("not_found", `There is no sandbox "${name}".`)
  }

  async #describe({ sandbox, ports }: Entry): Promise<VMInfo> {
    const { idleTimeout, expiresAt } = sandbox.lifetime
    return {
      id: sandbox.row.id,
      name: sandbox.row.name,
      status: sandbox.status,
      agent_port: ports.agentPort,
      ssh_port: ports.sshPort,
      agentHealthy: await sandbox.healthy(),
      accelerator: this.#means.room.choice.accelerator,
      network: networkOf(sandbox.row),
      ...describeSize(sandbox.row, await imageOf(sandbox.row, this.#means.images)),
      snapshots: sandbox.row.snapshot_kind,
      idle_timeout: idleTimeout,
      expires_at: expiresAt === null ? null : new Date(expiresAt).toISOString(),
      degraded: sandbox.degraded,
      created_at: new Date(sandbox.row.created_at).toISOString(),
    }
  }
}
