import type { Duplex } from "node:stream"
import type { GuestAddress, GuestListener } from "@opensandbox/vm"
import { Failure } from "../failure.js"
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
} from "../sandboxes/sandbox-service.js"
import type { LifetimeRequest } from "../lifetime/lifetime.js"
import { FakeProcesses } from "./fake-processes.js"
import { FakeDirectories } from "./fake-directories.js"
import { FakeFiles } from "./fake-files.js"
import { FakeSession } from "./fake-session.js"

const createdAt = "2030-01-01T00:00:00.000Z"

/**
 * Sandboxes without machines, each with the snapshots `initial` and `cmd_1`. A test may replace what `run`, `export`,
 * `import`, `connect` and `listen` do, and look at the sessions that were opened.
 */
export class FakeSandboxes implements SandboxService {
  readonly sessions: FakeSession[] = []
  /** The processes of every sandbox. */
  readonly background = new FakeProcesses()
  /** The files of all of them. */
  readonly allFiles = new FakeFiles()
  /** The directories of all of them. */
  readonly allDirectories = new FakeDirectories()
  onRun: (request: RunRequest, caller: RunCaller) => Promise<RunOutcome> = (request) =>
    Promise.resolve(echoOf(request))
  onExport: (request: ExportRequest) => Promise<ReadableStream<Uint8Array>> = (request) =>
    Promise.resolve(new Blob([JSON.stringify(request)]).stream())
  /** What the last import read. */
  imported = ""
  onImport: (archive: ReadableStream<Uint8Array>) => Promise<void> = async (archive) => {
    this.imported = await new Response(archive).text()
  }
  onConnect: (address: GuestAddress) => Promise<Duplex> = () =>
    Promise.reject(new Failure("unavailable", "Nothing takes connections there."))
  onListen: (address: GuestAddress, onConnection: OnConnection) => Promise<GuestListener> = () =>
    Promise.reject(new Failure("invalid_request", "The guest cannot listen there."))
  readonly #owners = new Map<string, number>()
  readonly #retention = new Map<string, RetentionRequest>()
  readonly #paused = new Set<string>()
  readonly #lifetimes = new Map<string, LifetimeRequest>()

  create(
    owner: number,
    { name, retention, reuse, idle_timeout, ttl }: Pick<CreateRequest, "name"> & Partial<CreateRequest>,
  ): Promise<{ vm: VMInfo; reused: boolean }> {
    return settle(() => {
      if (reuse === true && this.#owners.get(name) === owner) return { vm: this.#infoOf(name), reused: true }
      if (this.#owners.has(name)) throw new Failure("already_exists", `The name "${name}" is taken.`)
      this.#owners.set(name, owner)
      if (retention !== undefined) this.#retention.set(name, retention)
      this.#lifetimes.set(name, { idle_timeout, ttl })
      return { vm: this.#infoOf(name), reused: false }
    })
  }

  async fork(owner: number, from: string, { names, snapshot }: ForkRequest): Promise<VMInfo[]> {
    await this.#findSnapshot(owner, from, snapshot ?? "initial")
    return Promise.all(names.map(async (name) => (await this.create(owner, { name })).vm))
  }

  list(owner: number): Promise<VMInfo[]> {
    return settle(() => this.#namesOf(owner).map((name) => this.#infoOf(name)))
  }

  info(owner: number, name: string): Promise<VMInfo> {
    return settle(() => this.#infoOf(this.#find(owner, name)))
  }

  pause(owner: number, name: string): Promise<VMInfo> {
    return settle(() => {
      this.#paused.add(this.#find(owner, name))
      return this.#infoOf(name)
    })
  }

  resume(owner: number, name: string): Promise<VMInfo> {
    return settle(() => {
      this.#paused.delete(this.#find(owner, name))
      return this.#infoOf(name)
    })
  }

  setLifetime(owner: number, name: string, request: LifetimeRequest): Promise<VMInfo> {
    return settle(() => {
      this.#lifetimes.set(this.#find(owner, name), request)
      return this.#infoOf(name)
    })
  }

  destroy(owner: number, name: string): Promise<void> {
    return settle(() => void this.#owners.delete(this.#find(owner, name)))
  }

  run(owner: number, name: string, request: RunRequest, caller: RunCaller = {}): Promise<RunOutcome> {
    return settle(() => {
      this.#find(owner, name)
      return this.onRun(request, caller)
    })
  }

  processes(owner: number, name: string): FakeProcesses {
    this.#find(owner, name)
    return this.background
  }

  wipe(owner: number, name: string): Promise<void> {
    return settle(() => void this.#find(owner, name))
  }

  snapshots(owner: number, name: string): Promise<Snapshot[]> {
    return settle(() => [snapshotOf(this.#find(owner, name))])
  }

  allSnapshots(owner: number): Promise<Snapshot[]> {
    return settle(() => this.#namesOf(owner).map(snapshotOf))
  }

  takeSnapshot(owner: number, name: string, { label, memory }: SnapshotRequest): Promise<Snapshot> {
    return settle(() => ({
      ...snapshotOf(this.#find(owner, name)),
      snapshot_name: "snap_2",
      label: label ?? null,
      kind: memory === true ? "machine" : "disk",
      parent: "cmd_1",
    }))
  }

  async deleteSnapshot(owner: number, name: string, snapshot: string): Promise<void> {
    await this.#findSnapshot(owner, name, snapshot)
    if (snapshot === "initial") {
      throw new Failure("invalid_request", `"initial" cannot be deleted.`, { field: "snapshot" })
    }
  }

  async restore(
    owner: number,
    name: string,
    snapshot: string,
    { keep }: RestoreRequest,
  ): Promise<{ kept?: string }> {
    await this.#findSnapshot(owner, name, snapshot)
    return keep ? { kept: `${name}-kept` } : {}
  }

  undo(owner: number, name: string): Promise<{ snapshot: string }> {
    return this.#findSnapshot(owner, name, "initial")
  }

  /** One file that is larger by the length of the request's JSON. */
  async diff(owner: number, name: string, request: DiffRequest): Promise<Diff> {
    const { from, to, patch } = request
    await this.#findSnapshot(owner, name, from)
    const size = JSON.stringify(request).length
    return {
      from,
      to: to ?? null,
      changes: [{ path: "/workspace/file", change: "changed", type: "file", size, previous_size: 0 }],
      truncated: false,
      ...(patch !== undefined && { patch: `--- ${patch}\n` }),
    }
  }

  /** The path, and bytes that are no text. */
  async readAt(
    owner: number,
    name: string,
    snapshot: string,
    path: string,
  ): Promise<Uint8Array<ArrayBuffer>> {
    await this.#findSnapshot(owner, name, snapshot)
    return Uint8Array.from([...new TextEncoder().encode(path), 0, 255])
  }

  directories(owner: number, name: string): FakeDirectories {
    this.#find(owner, name)
    return this.allDirectories
  }

  files(owner: number, name: string): FakeFiles {
    this.#find(owner, name)
    return this.allFiles
  }

  retention(owner: number, name: string): Promise<RetentionStatus> {
    return settle(() => {
      const limits = this.#retention.get(this.#find(owner, name))
      return {
        keep_last: limits?.keep_last ?? null,
        keep_days: limits?.keep_days ?? null,
        max_bytes: limits?.max_bytes ?? null,
        quota_bytes: limits?.quota_bytes ?? null,
        bytes: 4096,
        snapshots: 2,
      }
    })
  }

  async setRetention(owner: number, name: string, request: RetentionRequest): Promise<RetentionStatus> {
    this.#retention.set(this.#find(owner, name), request)
    return this.retention(owner, name)
  }

  async export(owner: number, name: string, request: ExportRequest): Promise<ReadableStream<Uint8Array>> {
    await this.#findSnapshot(owner, name, request.snapshot ?? "initial")
    return this.onExport(request)
  }

  async import(owner: number, name: string, archive: ReadableStream<Uint8Array>): Promise<VMInfo> {
    await this.onImport(archive)
    return (await this.create(owner, { name })).vm
  }

  openSession(
    owner: number,
    name: string,
    request: SessionRequest,
    handlers: SessionHandlers,
  ): Promise<SandboxSession> {
    return settle(() => {
      this.#find(owner, name)
      if (request.command === "refused") throw new Failure("busy", "The sandbox is busy; try again.")
      const session = new FakeSession(request, handlers)
      this.sessions.push(session)
      return session
    })
  }

  identify(name: string): { id: number; owner: number } | undefined {
    const owner = this.#owners.get(name)
    return owner === undefined ? undefined : { id: 1, owner }
  }

  connect(owner: number, name: string, address: GuestAddress): Promise<Duplex> {
    return settle(() => {
      this.#find(owner, name)
      return this.onConnect(address)
    })
  }

  async dial(owner: number, name: string, address: GuestAddress): Promise<Dialled> {
    return { socket: await this.connect(owner, name, address), connected: Promise.resolve() }
  }

  listen(
    owner: number,
    name: string,
    address: GuestAddress,
    onConnection: OnConnection,
  ): Promise<GuestListener> {
    return settle(() => {
      this.#find(owner, name)
      return this.onListen(address, onConnection)
    })
  }

  waitForPort(owner: number, name: string, port: number, timeoutSeconds: number): Promise<void> {
    return settle(() => {
      this.#find(owner, name)
      if (port === 1) throw new Failure("timeout", `Nothing listened on port 1 within ${timeoutSeconds} s.`)
    })
  }

  #findSnapshot(owner: number, name: string, snapshot: string): Promise<{ snapshot: string }> {
    return settle(() => {
      this.#find(owner, name)
      if (snapshot !== "initial" && snapshot !== "cmd_1") {
        throw new Failure("not_found", `There is no snapshot "${snapshot}".`)
      }
      return { snapshot }
    })
  }

  /** Times to live begin when the sandboxes were created. */
  #infoOf(name: string): VMInfo {
    const { idle_timeout = null, ttl } = this.#lifetimes.get(name) ?? {}
    return {
      ...infoOf(name),
      status: this.#paused.has(name) ? "paused" : "running",
      idle_timeout,
      expires_at: ttl == null ? null : new Date(Date.parse(createdAt) + ttl * 1000).toISOString(),
    }
  }

  #namesOf(owner: number): string[] {
    return [...this.#owners.keys()].filter((name) => this.#owners.get(name) === owner)
  }

  #find(owner: number, name: string): string {
    if (this.#owners.get(name) !== owner) throw new Failure("not_found", `There is no sandbox "${name}".`)
    return name
  }
}

/** What a run answers unless the test says otherwise: the request, as seen by the service. */
export function echoOf(request: RunRequest): RunOutcome {
  return {
    answer: {
      stdout: JSON.stringify(request),
      stderr: "",
      exitCode: 0,
      snapshot: request.snapshot ? "cmd_1" : null,
      stdoutTruncated: false,
      stderrTruncated: false,
    },
    timings: { guestMs: 20, syncMs: 3.456, snapshotMs: 1 },
  }
}

async function settle<Result>(act: () => Result | Promise<Result>): Promise<Result> {
  await Promise.resolve()
  return act()
}

function infoOf(name: string): VMInfo {
  return {
    id: 1,
    name,
    status: "running",
    agent_port: 1,
    ssh_port: 2,
    agentHealthy: true,
    accelerator: "tcg",
    network: "none",
    snapshots: "disk",
    cpus: 1,
    memory_mb: 512,
    disk_gb: 10,
    idle_timeout: null,
    expires_at: null,
    degraded: null,
    created_at: createdAt,
  }
}

function snapshotOf(name: string): Snapshot {
  return {
    id: 1,
    vm_name: name,
    snapshot_name: "initial",
    label: null,
    parent: null,
    command: null,
    exit_code: null,
    duration_ms: null,
    bytes: 0,
    kind: "disk",
    damaged: false,
    degraded: false,
    created_at: createdAt,
  }
}
