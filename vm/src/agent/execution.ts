import { ProtocolError } from "./errors.js"
import { encodeResize, parseCredit, type Frame } from "./frame.js"
import { InputChannel } from "./input-channel.js"
import { execDone } from "./messages.js"
import { OutputChannel, type OutputHandler } from "./output-channel.js"
import { Answer, quietly, type SendFrame, type Stream } from "./stream.js"

export interface ExecRequest {
  /** Run by the shell. Default: a login shell that reads its input. */
  readonly command?: string
  /** Default: `/workspace`. */
  readonly cwd?: string
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
  /** Kills the command and everything it started. The result then says SIGKILL. */
  cancel(): void
}

/** A command's stream. */
export class CommandStream implements Execution, Stream {
  readonly result: Promise<ExecResult>
  readonly #send: SendFrame
  readonly #stdin: InputChannel
  readonly #stdout: OutputChannel
  readonly #stderr: OutputChannel
  readonly #answer = new Answer(execDone)
  #over = false

  constructor(send: SendFrame, handlers: OutputHandlers) {
    this.#send = send
    this.#stdin = new InputChannel(send)
    this.#stdout = new OutputChannel("stdout", handlers.onStdout, send)
    this.#stderr = new OutputChannel("stderr", handlers.onStderr, send)
    this.result = this.#finish()
    quietly(this.result)
  }

  write(chunk: Uint8Array): Promise<void> {
    return this.#stdin.write(chunk)
  }

  end(): void {
    this.#stdin.end()
  }

  resize(cols: number, rows: number): void {
    if (!this.#over) this.#send("RESIZE", encodeResize(cols, rows))
  }

  cancel(): void {
    if (!this.#over) this.#send("CANCEL")
  }

  receive(frame: Frame): void {
    switch (frame.type) {
      case "STDOUT":
        this.#stdout.receive(frame.payload)
        break
      case "STDERR":
        this.#stderr.receive(frame.payload)
        break
      case "CREDIT": {
        const { channel, bytes } = parseCredit(frame.payload)
        if (channel !== "stdin")
          throw new ProtocolError(`credit for ${channel}, which the guest itself sends`)
        this.#stdin.grant(bytes)
        break
      }
      default:
        throw new ProtocolError(`a ${frame.type} frame on the stream of a command`)
    }
  }

  respond(response: unknown): void {
    this.#close()
    this.#answer.respond(response)
  }

  fail(error: Error): void {
    this.#close()
    this.#answer.fail(error)
  }

  #close(): void {
    this.#over = true
    this.#stdin.close()
  }

  async #finish(): Promise<ExecResult> {
    const done = await this.#answer.promise
    await Promise.all([this.#stdout.delivered(), this.#stderr.delivered()])
    return {
      exitCode: done.exitCode,
      signal: done.signal,
      guestMicroseconds: done.guestUs,
      syncMicroseconds: done.syncUs,
      wrote: done.wrote ?? false,
    }
  }
}
