import { mostInput, type Machine, type ProcessReference } from "@opensandbox/vm"
import { processId } from "opensandbox/contract"
import { Failure } from "../failure.js"
import { diskFull } from "../storage/storage-failure.js"
import { processFailure } from "./process-failure.js"
import type {
  OutputListener,
  OutputReading,
  OutputRequest,
  Processes,
  ProcessInfo,
  ProcessRequest,
  TerminalSize,
} from "./processes.js"

/** What terminals call themselves. */
const terminalName = "xterm-256color"

/** A machine; `era` aborts, with a `Failure` as its reason, when it is no longer the sandbox's. */
interface Present {
  machine: Machine
  era: AbortSignal
}

type Activity<T> = (machine: Machine, era: AbortSignal) => Promise<T>

/** What processes need of their sandbox. */
interface ProcessMeans {
  /** Runs an activity as a command is run, on a machine that is up. */
  beside<T>(activity: Activity<T>): Promise<T>
  /** The machine that runs now, if one does; that of a paused sandbox is resumed for it. */
  present(): Promise<Present | undefined>
  /** Keeps the sandbox from being paused for as long as an activity lasts. */
  awake<T>(activity: () => Promise<T>): Promise<T>
}

/** The processes that the agent keeps in the sandbox's machine. */
export class SandboxProcesses implements Processes {
  readonly #means: ProcessMeans

  constructor(means: ProcessMeans) {
    this.#means = means
  }

  start({ command, cwd, user, env, pty }: ProcessRequest): Promise<ProcessInfo> {
    const request = {
      command,
      ...(cwd !== undefined && { cwd }),
      ...(user !== undefined && { user }),
      ...(env !== undefined && { env }),
      ...(pty !== undefined && { pty: { ...pty, term: terminalName } }),
    }
    return this.#means.beside((machine, era) =>
      ask({ machine, era }, async ({ processes }) => {
        const started = await processes.start(request)
        return infoOf({ ...started, command, running: true, exitCode: null, signal: null })
      }),
    )
  }

  async list(): Promise<ProcessInfo[]> {
    const present = await this.#means.present()
    // A sandbox whose machine does not run has none, and needs none for that answer.
    return present === undefined
      ? []
      : ask(present, async ({ processes }) => (await processes.list()).map(infoOf))
  }

  async get(process: ProcessReference): Promise<ProcessInfo> {
    const { pid, startedMs } = process
    const isMeant = (info: ProcessInfo) =>
      startedMs === undefined ? info.pid === pid : info.id === processId(pid, startedMs)
    const found = (await this.list()).find(isMeant)
    if (found === undefined) throw noProcess(process)
    return found
  }

  read(process: ProcessReference, request: OutputRequest, listener: OutputListener): Promise<OutputReading> {
    const { offset, streams, follow } = request
    const wanted = {
      ...(offset !== undefined && { offset }),
      stdout: streams === "both" || streams === "stdout",
      stderr: streams === "both" || streams === "stderr",
      follow,
    }
    return this.#now(process, async ({ processes }, era) => {
      const output = processes.output(process, wanted, listener)
      await output.begun
      const ended = output.ended.catch((error: unknown) => {
        throw processFailure(error, era)
      })
      // Whoever cancels may not wait for the end.
      ended.catch(() => undefined)
      return {
        ended,
        cancel: () => {
          output.cancel()
        },
      }
    })
  }

  write(process: ProcessReference, input: ReadableStream<Uint8Array>, end: boolean): Promise<number> {
    return this.#act(process, async ({ processes }) => {
      let written = 0
      for await (const piece of inputPieces(input)) {
        const taken = await processes.write(process, piece, false)
        written += taken
        if (taken < piece.length) return written
      }
      if (end || written === 0) await processes.write(process, new Uint8Array(), end)
      return written
    })
  }

  signal(process: ProcessReference, signal: string): Promise<void> {
    return this.#act(process, ({ processes }) => processes.signal(process, signal))
  }

  resize(process: ProcessReference, { cols, rows }: TerminalSize): Promise<void> {
    return this.#act(process, ({ processes }) => processes.resize(process, cols, rows))
  }

  /** What somebody does to a process keeps the sandbox awake; what somebody only reads of one does not. */
  #act<T>(process: ProcessReference, activity: Activity<T>): Promise<T> {
    return this.#means.awake(() => this.#now(process, activity))
  }

  /** Asks the machine that runs now: where none does, there are no processes. */
  async #now<T>(process: ProcessReference, activity: Activity<T>): Promise<T> {
    const present = await this.#means.present()
    if (present === undefined) throw noProcess(process)
    return ask(present, activity)
  }
}

/** Does something with a machine. What goes wrong is told as a failure that the caller may see. */
async function ask<T>({ machine, era }: Present, activity: Activity<T>): Promise<T> {
  if (machine.stalled) throw diskFull()
  try {
    return await activity(machine, era)
  } catch (error) {
    throw processFailure(error, era)
  }
}

/** Input in pieces that the guest takes at one time. What is not asked for is not read. */
async function* inputPieces(input: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = input.getReader()
  try {
    for (let { value } = await reader.read(); value !== undefined; { value } = await reader.read()) {
      for (let at = 0; at < value.length; at += mostInput) yield value.subarray(at, at + mostInput)
    }
  } finally {
    // Does nothing to a body that has ended.
    reader.cancel().catch(() => undefined)
  }
}

function noProcess({ pid }: ProcessReference): Failure {
  return new Failure("not_found", `There is no process ${pid}, or none any more.`)
}

/** A process as the guest tells of it. */
type GuestProcess = Awaited<ReturnType<Machine["processes"]["list"]>>[number]

function infoOf({ startedMs, command, ...state }: GuestProcess): ProcessInfo {
  const id = processId(state.pid, startedMs)
  return { id, ...state, command: shortened(command), started_at: new Date(startedMs).toISOString() }
}

/** As much of a command as the guest remembers of it. */
function shortened(command: string): string {
  const { written } = new TextEncoder().encodeInto(command, new Uint8Array(1024))
  return written < 1024 ? command : Buffer.from(command).subarray(0, written).toString()
}
