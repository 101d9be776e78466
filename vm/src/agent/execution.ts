import { ProtocolError } from "./errors.js"
import { GuestStream } from "./guest-stream.js"
import { execBegun, execDone, type ExecDone } from "./messages.js"
import type { OutputHandler } from "./output-channel.js"
import { quietly, type SendFrame } from "./stream.js"

export interface ExecRequest {
  /** Run by the shell. Default: a login shell that reads its input. */
  readonly command?: string
  /** Where it starts; a relative path begins in `/workspace`, as does a command that names none. */
  readonly cwd?: string
  /** Who runs it, by name or number, as the guest's `/etc/passwd` has it. Default: root. */
  readonly user?: string
  /** Added to the usual environment. */
  readonly env?: Record<string, string>
  /** A terminal in the place of the pipes. All output is then stdout. */
  readonly pty?: { readonly cols: number; readonly rows: number; readonly term: string }
  /** Whether the command has an input to write to. Default: false, and a terminal always has one. */
  readonly stdin?: boolean
  /** Whether the disk is synced after the command and before the result. Default: false. */
  readonly sync?: boolean
}

export interface ExecResult {
  /** null when a signal ended the shell. */
  readonly exitCode: number | null
  /** The signal's name, as in `SIGKILL`; null when the shell exited. */
  readonly signal: string | null
  /** From the start of the shell to its exit. */
  readonly guestMicroseconds: number
  readonly syncMicroseconds: number
  /** Whether the disk was surely written to since the sync before; see `AgentConnection.sync`. */
  readonly wrote: boolean
}

export interface OutputHandlers {
  readonly onStdout: OutputHandler
  readonly onStderr: OutputHandler
}

/** A running command. */
export interface Execution {
  /** Resolves when a command with a terminal runs. An agent of an older image does not tell, and others are not asked. */
  readonly begun: Promise<void>
  /**
   * Resolves when the shell has exited and all its output was handled; processes that it left in the background
   * may go on. Rejects with an AgentError when the command could not be run, with an AgentGoneError when the
   * connection is lost.
   */
  readonly result: Promise<ExecResult>
  /** Settles when the guest has room for more, never with an error: a command that is over just takes nothing. */
  write(chunk: Uint8Array): Promise<void>
  /** Ends the command's input. */
  end(): void
  /** Changes the size of the command's terminal. */
  resize(cols: number, rows: number): void
  /**
   * Signals the command's process group, if it still runs.
   *
   * @param signal As in `SIGTERM`. One that the guest does not know is not sent.
   */
  signal(signal: string): void
  /** Kills the command and everything it started. The result then says SIGKILL. */
  cancel(): void
}

/** A command's stream. */
export class CommandStream extends GuestStream<ExecDone> implements Execution {
  readonly begun: Promise<void>
  readonly result: Promise<ExecResult>
  readonly signal: (signal: string) => void

  /** @param signal Sends a signal to this stream's command. */
  constructor(handlers: OutputHandlers, send: SendFrame, signal: (signal: string) => void) {
    let begin!: () => void
    const begun = new Promise<void>((resolve) => {
      begin = resolve
    })
    const onEvent = (event: unknown) => {
      if (!execBegun.safeParse(event).success)
        throw new ProtocolError("an event that a command does not have")
      begin()
    }
    super(execDone, { ...handlers, onEvent }, send)
    this.begun = begun
    this.signal = signal
    this.result = this.done.then((done) => ({
      exitCode: done.exitCode,
      signal: done.signal,
      guestMicroseconds: done.guestUs,
      syncMicroseconds: done.syncUs,
      wrote: done.wrote ?? false,
    }))
    quietly(this.result)
  }
}
