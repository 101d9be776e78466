import type { Duplex } from "node:stream"
import type { GuestAddress, GuestListener } from "@opensandbox/vm"
import type { RouteAnswer, RouteBody } from "opensandbox/contract"
import type { LifetimeRequest } from "../lifetime/lifetime.js"
import type { Processes } from "../processes/processes.js"
import type { DirectoryService } from "../directories/directory-service.js"
import type { FileService } from "../files/file-service.js"

export type VMInfo = RouteAnswer<"getVm">
export type Snapshot = RouteAnswer<"listSnapshots">["snapshots"][number]
export type Diff = RouteAnswer<"diff">
/** The limits that an owner sets: one that is left out is the server's default, null is none. */
export type RetentionRequest = RouteBody<"setRetention">
/** The limits in effect, and what the sandbox takes now. */
export type RetentionStatus = RouteAnswer<"getRetention">
export type SnapshotRequest = RouteBody<"takeSnapshot">
type RunAnswer = RouteAnswer<"runCommand">
export type CreateRequest = RouteBody<"createVm">

/**
 * What can be done with sandboxes. Every method takes the owner (see `Principal.ownerId`), to whom the sandboxes of
 * others do not exist, and rejects with a `Failure` for all that the caller may know about. Wherever a snapshot is named,
 * its label is as good as its name.
 */
export interface SandboxService {
  /**
   * Makes a sandbox, or finds the owner's that has the name where the request would reuse it. Fails with `already_exists`
   * when any owner has the name, `limit_reached` when there are too many sandboxes.
   */
  create(owner: number, request: CreateRequest): Promise<{ vm: VMInfo; reused: boolean }>
  /** Makes sandboxes from a snapshot of another one, or from its present: all of them or none. */
  fork(owner: number, from: string, request: ForkRequest): Promise<VMInfo[]>
  list(owner: number): Promise<VMInfo[]>
  info(owner: number, name: string): Promise<VMInfo>
  destroy(owner: number, name: string): Promise<void>
  /** Runs a shell command to its end and takes a snapshot unless the request wants none. */
  run(owner: number, name: string, request: RunRequest, caller?: RunCaller): Promise<RunOutcome>
  /**
   * Puts the machine's memory on the disk and ends it; any use of the sandbox resumes it. What callers wait for is
   * interrupted. One whose machine does not run stays as it is.
   */
  pause(owner: number, name: string): Promise<VMInfo>
  /** Has the machine run. `degraded` tells where a paused one had to start from its disk. */
  resume(owner: number, name: string): Promise<VMInfo>
  /** Sets when the sandbox is paused and destroyed by itself. */
  setLifetime(owner: number, name: string, request: LifetimeRequest): Promise<VMInfo>
  /** Clears the workspace without taking a snapshot. */
  wipe(owner: number, name: string): Promise<void>
  /** Oldest first. */
  snapshots(owner: number, name: string): Promise<Snapshot[]>
  /** The snapshots of all the owner's sandboxes, oldest first. */
  allSnapshots(owner: number): Promise<Snapshot[]>
  /** Takes a snapshot of the present. Fails with `already_exists` when the sandbox has the label. */
  takeSnapshot(owner: number, name: string, request: SnapshotRequest): Promise<Snapshot>
  /** Deletes one snapshot; those before and after it are unharmed. Fails with `invalid_request` for `initial`. */
  deleteSnapshot(owner: number, name: string, snapshot: string): Promise<void>
  /**
   * Goes back to a snapshot and deletes all that came after it.
   *
   * @returns `kept`, the name of the sandbox that was made of the present, if it was to be kept; `degraded`, why memory and
   *   processes could not be brought back.
   */
  restore(
    owner: number,
    name: string,
    snapshot: string,
    request: RestoreRequest,
  ): Promise<{ kept?: string | undefined; degraded?: string | undefined }>
  /** Goes back to the snapshot before the newest one. Fails with `not_found` when there is none. */
  undo(owner: number, name: string): Promise<{ snapshot: string; degraded?: string | undefined }>
  /** Compares the files of two snapshots, or of a snapshot and the present, without disturbing the machine. */
  diff(owner: number, name: string, request: DiffRequest): Promise<Diff>
  /** A file as it was in a snapshot. Fails with `not_found`, `invalid_request` when it is none, `too_large`. */
  readAt(owner: number, name: string, snapshot: string, path: string): Promise<Uint8Array<ArrayBuffer>>
  /** A sandbox's files. Throws `not_found` at once. */
  files(owner: number, name: string): FileService
  /** A sandbox's directories, each as a whole. Throws `not_found` at once. */
  directories(owner: number, name: string): DirectoryService
  retention(owner: number, name: string): Promise<RetentionStatus>
  /** Sets the limits, all of them anew, and deletes the snapshots that are beyond them. */
  setRetention(owner: number, name: string, request: RetentionRequest): Promise<RetentionStatus>
  /** An archive of a snapshot, or of the present. Cancelling the stream ends the work on it. */
  export(owner: number, name: string, request: ExportRequest): Promise<ReadableStream<Uint8Array>>
  /** Makes a sandbox of an archive, after all of it was verified. Fails with what the stream fails with. */
  import(owner: number, name: string, archive: ReadableStream<Uint8Array>): Promise<VMInfo>
  /** The processes of a sandbox that go on in the background. Throws `not_found` when there is no such sandbox. */
  processes(owner: number, name: string): Processes
  /** Starts a streaming command or an interactive shell. Takes a snapshot when it ended by itself. */
  openSession(
    owner: number,
    name: string,
    request: SessionRequest,
    handlers: SessionHandlers,
  ): Promise<SandboxSession>
  /** The number and the owner of the sandbox of that name, for who judges by other means who may come in. */
  identify(name: string): { id: number; owner: number } | undefined
  /**
   * Connects to an address as the guest sees it; without a host, to the guest itself. A restore breaks the connection.
   * Takes no snapshot. Fails with `unavailable` when nothing listens there.
   */
  connect(owner: number, name: string, address: GuestAddress): Promise<Duplex>
  /** As `connect`, for those who have something to send at once. */
  dial(owner: number, name: string, address: GuestAddress): Promise<Dialled>
  /** Takes connections inside the guest until it is closed or the sandbox restored. */
  listen(
    owner: number,
    name: string,
    address: GuestAddress,
    onConnection: OnConnection,
  ): Promise<GuestListener>
  /** Waits until something in the guest listens on a port, or `signal` aborts. Fails with `timeout`. */
  waitForPort(
    owner: number,
    name: string,
    port: number,
    timeoutSeconds: number,
    signal: AbortSignal,
  ): Promise<void>
}

/** A connection that the guest is asked to make. What is written before it is there is sent once it is. */
export interface Dialled {
  readonly socket: Duplex
  /** Resolves when the connection is there. Rejects with why there is none, as `connect`; the socket is destroyed then. */
  readonly connected: Promise<void>
}

/** Takes a connection that came to a listener; `from` is its other end. */
export type OnConnection = (connection: Duplex, from: { host: string; port: number }) => void

export interface ForkRequest {
  /** The names of the new sandboxes. */
  names: readonly string[]
  /** The snapshot to begin from; the present when left out. */
  snapshot?: string | undefined
  /** Whether they are running copies, with memory and processes. */
  memory: boolean
}

export interface RestoreRequest {
  /** Whether the present is first forked into a new sandbox. */
  keep: boolean
}

export interface DiffRequest {
  from: string
  /** The present when left out. */
  to?: string | undefined
  /** The text file to compare line by line. */
  patch?: string | undefined
}

export interface ExportRequest {
  /** The present when left out. */
  snapshot?: string | undefined
  /** Whether the archive carries the guest's image. */
  image: boolean
}

export interface RunRequest {
  command: string
  timeoutSeconds: number
  /** Whether a snapshot is taken after the command. */
  snapshot: boolean
  /** How the answer has the command's output. */
  encoding: RouteBody<"runCommand">["encoding"]
  /** Where it starts; the workspace when left out. */
  cwd?: string | undefined
  /** Added to the environment that every command gets. */
  env?: Record<string, string> | undefined
  /** The name or number of who runs it; root when left out. */
  user?: string | undefined
  /** What it reads on its standard input. */
  stdin?: Uint8Array | undefined
}

/** For whom a command runs. */
export interface RunCaller {
  /** Aborted when nobody waits for the command any more: it is killed then, without a snapshot. */
  signal?: AbortSignal
  /** Hears what it prints while it runs, at its own pace, up to the command's end. */
  listener?: SessionHandlers | undefined
}

export interface RunOutcome {
  /** The answer as it goes over the wire. */
  answer: RunAnswer
  timings: RunTimings
}

/** Where the time of a run went, in milliseconds. */
interface RunTimings {
  /** The command itself, as the guest saw it. */
  guestMs: number
  /** Writing the guest's files out. */
  syncMs: number
  /** The host's part of the snapshot. */
  snapshotMs: number
}

export interface SessionRequest {
  /** A shell command; left out for an interactive login shell. */
  command?: string
  /** The terminal's size; left out for plain pipes. */
  pty?: Terminal
  /** Where it starts; the workspace when left out. */
  cwd?: string
  /** The name or number of who runs it; root when left out. */
  user?: string
  /** Added to the environment that every command gets. */
  env?: Record<string, string>
  /** What the snapshot's record calls the command; the command itself when left out. */
  recordAs?: string
}

export interface Terminal {
  cols: number
  rows: number
  /** The value of TERM. */
  term: string
}

/** The next chunk of a stream comes only after the handler's promise is fulfilled. */
export interface SessionHandlers {
  onStdout: (chunk: Uint8Array) => void | Promise<void>
  onStderr: (chunk: Uint8Array) => void | Promise<void>
}

export interface SandboxSession {
  /**
   * Fulfilled after the last handler call. `exitCode` is null when a signal (named without `SIG`, as in `KILL`) ended
   * the command. Rejects with a `Failure` when the session broke off.
   */
  readonly ended: Promise<SessionEnd>
  /** Fulfilled when the guest has room for more. */
  write(chunk: Uint8Array): Promise<void>
  /** Closes the command's standard input. */
  end(): void
  resize(cols: number, rows: number): void
  /** Signals the command's process group; the name is without `SIG`, as in `TERM`. */
  signal(name: string): void
  /** Kills the command. `ended` still settles. */
  cancel(): void
}

export interface SessionEnd {
  exitCode: number | null
  signal: string | null
  /** The name of the snapshot that was taken after it; null when it was cancelled. */
  snapshot: string | null
}
