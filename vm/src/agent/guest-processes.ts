import { z } from "zod"
import { within } from "../deadline.js"
import type { AgentConnection } from "./connection.js"
import { AgentError, ProtocolError } from "./errors.js"
import type { ExecRequest } from "./execution.js"
import { parseJson } from "./json.js"
import {
  inputDone,
  outputBegun,
  outputDone,
  processesDone,
  processState,
  resizeDone,
  signalDone,
  started,
  type ProcessState,
} from "./process-messages.js"
import { OutputRecords, type OutputPiece } from "./output-records.js"
import { quietly } from "./stream.js"

/** How long the agent may take to answer, in milliseconds: for input, it waits 5 seconds for the process. */
const answerMilliseconds = 20_000

/** The longest list of processes, in bytes. */
const longestList = 1024 * 1024

const processList = z.array(processState).max(512)

/** The most input that the agent takes at one time, in bytes. */
export const mostInput = 256 * 1024

/** A process to start, which goes on when the connection ends. */
export interface StartRequest extends Pick<ExecRequest, "cwd" | "user" | "env" | "pty"> {
  /** Run by the shell. */
  readonly command: string
}

/** Which process is meant. */
export interface ProcessReference {
  readonly pid: number
  /** When it was started, by the guest's clock: with it, another that has its number by now is not meant. */
  readonly startedMs?: number
}

export interface ProcessOutputRequest {
  /** Where to begin, in all that the process ever printed; the oldest output that is kept when left out. */
  readonly offset?: number
  readonly stdout: boolean
  readonly stderr: boolean
  /** Whether what is not printed yet is waited for, until the process ends. */
  readonly follow: boolean
}

/** How a process ended. */
interface GuestProcessEnd {
  /** null when a signal ended the shell. */
  readonly exitCode: number | null
  /** The signal's name, as in `SIGKILL`; null when the shell exited. */
  readonly signal: string | null
}

/** Output of a process on its way here. */
export interface ProcessOutput {
  /** Resolves with the offset of the first byte, before any of it is handled. Rejects with AgentError `no_process`. */
  readonly begun: Promise<number>
  /**
   * Resolves when all output was handled: with the process's end, or undefined when it still runs. Rejects with
   * AgentError, AgentGoneError, and what the handler throws.
   */
  readonly ended: Promise<GuestProcessEnd | undefined>
  /** Listens no more. The process goes on. */
  cancel(): void
}

/**
 * The processes that the agent keeps whoever is connected: up to 64 that it was told to start, those that commands became when
 * the machine was resumed, and the 16 that ended last. All methods
 * throw DeadlineError, AgentGoneError, and AgentError: `no_process` where there is none of that number, or it has ended.
 */
export class GuestProcesses {
  readonly #agent: Pick<AgentConnection, "ask" | "download" | "stream">

  constructor(agent: Pick<AgentConnection, "ask" | "download" | "stream">) {
    this.#agent = agent
  }

  /** @returns its number and, by the guest's clock, when it was started. @throws AgentError `too_many_processes`, `bad_cwd`, `bad_user`, `spawn_failed`. */
  async start(request: StartRequest): Promise<{ pid: number; startedMs: number }> {
    const { pid, startedMs } = await this.#agent.ask({ op: "start", ...request }, started, answerMilliseconds)
    return { pid, startedMs }
  }

  /** Those that run and those that ended last, in the order of their starts. */
  async list(): Promise<ProcessState[]> {
    const pieces: Uint8Array[] = []
    let length = 0
    await this.#agent.download(
      { op: "processes" },
      processesDone,
      (bytes) => {
        length += bytes.length
        if (length > longestList) throw new ProtocolError("a list of processes that is too long")
        pieces.push(new Uint8Array(bytes))
      },
      answerMilliseconds,
    )
    const { success, data } = processList.safeParse(parseJson(Buffer.concat(pieces)))
    if (!success) throw new AgentError("io", "the list of processes is none")
    return data
  }

  /**
   * Reads what a process prints, at the pace of the handler. One that falls behind by more than the agent keeps holds
   * the process back for two seconds, and is then told how much it missed.
   */
  output(
    process: ProcessReference,
    request: ProcessOutputRequest,
    handler: (piece: OutputPiece) => void | Promise<void>,
  ): ProcessOutput {
    const records = new OutputRecords()
    let begin!: (offset: number) => void
    let failed: Error | undefined
    const begun = new Promise<number>((resolve) => {
      begin = resolve
    })
    const stream = this.#agent.stream({ op: "output", ...process, ...request }, outputDone, {
      onStdout: async (bytes) => {
        try {
          if (failed === undefined) for (const piece of records.push(bytes)) await handler(piece)
        } catch (error) {
          failed = error instanceof Error ? error : new Error(String(error))
          stream.cancel()
        }
      },
      onEvent: (event) => {
        const { success, data } = outputBegun.safeParse(event)
        if (!success) throw new ProtocolError("an event that output does not have")
        begin(data.offset)
      },
    })
    const ended = stream.done.then(({ running, exitCode, signal }) => {
      if (failed !== undefined) throw failed
      return running ? undefined : { exitCode, signal }
    })
    quietly(ended)
    const early = ended.then(() => {
      throw new AgentError("io", "the output ended before it began")
    })
    return {
      begun: within(answerMilliseconds, "the beginning of the output", Promise.race([begun, early])),
      ended,
      cancel: () => {
        stream.cancel()
      },
    }
  }

  /**
   * Gives a process input, at most `mostInput` bytes, and with `end` closes its input once it took all of them.
   *
   * @returns how many bytes the process took within some seconds.
   * @throws AgentError `input_closed`.
   */
  async write(process: ProcessReference, bytes: Uint8Array, end: boolean): Promise<number> {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64")
    const request = { op: "input", ...process, bytes: text, end } as const
    const { written } = await this.#agent.ask(request, inputDone, answerMilliseconds)
    return Math.min(written, bytes.length)
  }

  /** @param signal Its name. SIGKILL ends everything that the process started, another goes to its process group. */
  async signal(process: ProcessReference, signal: string): Promise<void> {
    await this.#agent.ask({ op: "signal", ...process, signal }, signalDone, answerMilliseconds)
  }

  async resize(process: ProcessReference, cols: number, rows: number): Promise<void> {
    await this.#agent.ask({ op: "resize", ...process, cols, rows }, resizeDone, answerMilliseconds)
  }
}
