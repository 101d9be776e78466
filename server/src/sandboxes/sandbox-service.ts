import type { RouteAnswer } from "opensandbox/contract"

export type VMInfo = RouteAnswer<"getVm">
export type Snapshot = RouteAnswer<"listSnapshots">["snapshots"][number]
type RunAnswer = RouteAnswer<"runCommand">

/**
 * What can be done with sandboxes. Every method takes the owner (see `Principal.ownerId`), to whom the sandboxes of
 * others do not exist, and rejects with a `Failure` for all that the caller may know about.
 */
export interface SandboxService {
  /** Fails with `already_exists` when any owner has the name, `limit_reached` when there are too many sandboxes. */
  create(owner: number, name: string): Promise<VMInfo>
  list(owner: number): Promise<VMInfo[]>
  info(owner: number, name: string): Promise<VMInfo>
  destroy(owner: number, name: string): Promise<void>
  /** Runs a shell command to its end and takes a snapshot. */
  run(owner: number, name: string, request: RunRequest): Promise<RunOutcome>
  /** Clears the workspace without taking a snapshot. */
  wipe(owner: number, name: string): Promise<void>
  /** Oldest first. */
  snapshots(owner: number, name: string): Promise<Snapshot[]>
  /** The snapshots of all the owner's sandboxes, oldest first. */
  allSnapshots(owner: number): Promise<Snapshot[]>
  /** Goes back to a snapshot and deletes all that came after it. */
  restore(owner: number, name: string, snapshot: string): Promise<void>
  /** Starts a streaming command or an interactive shell. Takes a snapshot when it ended by itself. */
  openSession(
    owner: number,
    name: string,
    request: SessionRequest,
    handlers: SessionHandlers,
  ): Promise<SandboxSession>
}

export interface RunRequest {
  command: string
  timeoutSeconds: number
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
  /** Added to the environment that every command gets. */
  env?: Record<string, string>
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
  /** Kills the command. `ended` still settles. */
  cancel(): void
}

export interface SessionEnd {
  exitCode: number | null
  signal: string | null
}
