import type { OutputPiece, ProcessReference } from "@opensandbox/vm"
import type { RouteAnswer, RouteBody, RouteQuery } from "opensandbox/contract"

export type ProcessInfo = RouteAnswer<"getProcess">
/** The command, and where and how it starts. */
export type ProcessRequest = RouteBody<"startProcess">
/** What is wanted of a process's output, and from where on. */
export type OutputRequest = RouteQuery<"readProcessOutput">
export type TerminalSize = RouteBody<"resizeProcess">

/** How a process ended: one of the two is null. */
export interface ProcessEnd {
  exitCode: number | null
  /** The signal's name, as in `SIGKILL`. */
  signal: string | null
}

/** Takes a piece of output; the next one comes only after the promise is fulfilled. */
export type OutputListener = (piece: OutputPiece) => Promise<void>

/** A process's output on its way to a listener. */
export interface OutputReading {
  /**
   * Fulfilled after the listener's last call, with undefined when the process still runs. Rejects with a `Failure` when a
   * restore, the sandbox's end or its machine's ended the process.
   */
  readonly ended: Promise<ProcessEnd | undefined>
  /** Listens no more. The process goes on. */
  readonly cancel: () => void
}

/**
 * The processes of one sandbox that go on in the background, whoever listens, until they end, are killed, or the sandbox's
 * machine ends. Every method rejects with a `Failure` for all that the caller may know about: `not_found` where there is no
 * such process.
 */
export interface Processes {
  /** Starts one, and the machine if none runs. Fails with `limit_reached` when too many run. */
  start(request: ProcessRequest): Promise<ProcessInfo>
  /** Those that run and those that ended last, in the order of their starts. */
  list(): Promise<ProcessInfo[]>
  get(process: ProcessReference): Promise<ProcessInfo>
  /** Begins to read what a process prints. */
  read(process: ProcessReference, request: OutputRequest, listener: OutputListener): Promise<OutputReading>
  /**
   * Gives a process input, and closes its input afterwards if it took all of it.
   *
   * @returns how many bytes it took: fewer than there were when it read none for some seconds.
   */
  write(process: ProcessReference, input: ReadableStream<Uint8Array>, end: boolean): Promise<number>
  /** Sends a signal, by its name. */
  signal(process: ProcessReference, signal: string): Promise<void>
  resize(process: ProcessReference, size: TerminalSize): Promise<void>
}
