import type { OutputPiece, ProcessReference } from "@opensandbox/vm"
import { Failure } from "../failure.js"
import type {
  OutputListener,
  OutputReading,
  OutputRequest,
  Processes,
  ProcessEnd,
  ProcessInfo,
  ProcessRequest,
  TerminalSize,
} from "../processes/processes.js"

const startedAt = Date.UTC(2030, 0)

/** Processes without a machine: the number 7 is always there. A test says what it prints, and when it ends. */
export class FakeProcesses implements Processes {
  /** What was asked, in the order of the calls. */
  readonly asked: unknown[] = []
  /** What each reader is given at once. */
  pieces: OutputPiece[] = []
  /** How many pieces readers have taken. */
  taken = 0
  /** How many listen. */
  readers = 0
  /** How many bytes of input are taken. */
  appetite = Number.POSITIVE_INFINITY
  end: (end: ProcessEnd | undefined) => void = () => undefined
  breakOff: (failure: Failure) => void = () => undefined
  readonly #ended = new Promise<ProcessEnd | undefined>((resolve, reject) => {
    this.end = resolve
    this.breakOff = reject
  })

  start(request: ProcessRequest): Promise<ProcessInfo> {
    this.asked.push(request)
    return Promise.resolve(infoOf(request.command))
  }

  list(): Promise<ProcessInfo[]> {
    return Promise.resolve([infoOf("make dev")])
  }

  async get(process: ProcessReference): Promise<ProcessInfo> {
    await this.#find(process)
    return infoOf("make dev")
  }

  async read(
    process: ProcessReference,
    request: OutputRequest,
    listener: OutputListener,
  ): Promise<OutputReading> {
    await this.#find(process)
    this.asked.push(request)
    this.readers += 1
    let cancel: () => void = () => undefined
    const cancelled = new Promise<undefined>((resolve) => {
      cancel = () => {
        resolve(undefined)
      }
    })
    const ended = this.#deliver(listener, cancelled).finally(() => {
      this.readers -= 1
    })
    ended.catch(() => undefined)
    return { ended, cancel }
  }

  async write(process: ProcessReference, input: ReadableStream<Uint8Array>, end: boolean): Promise<number> {
    await this.#find(process)
    const text = await new Response(input).text()
    const taken = text.slice(0, this.appetite)
    this.asked.push({ taken, end })
    return taken.length
  }

  async signal(process: ProcessReference, signal: string): Promise<void> {
    await this.#find(process)
    this.asked.push(signal)
  }

  async resize(process: ProcessReference, size: TerminalSize): Promise<void> {
    await this.#find(process)
    this.asked.push(size)
  }

  async #deliver(listener: OutputListener, cancelled: Promise<undefined>): Promise<ProcessEnd | undefined> {
    for (const piece of this.pieces) {
      await listener(piece)
      this.taken += 1
    }
    return Promise.race([this.#ended, cancelled])
  }

  #find({ pid, startedMs = startedAt }: ProcessReference): Promise<void> {
    return pid === 7 && startedMs === startedAt
      ? Promise.resolve()
      : Promise.reject(new Failure("not_found", `There is no process ${pid}.`))
  }
}

function infoOf(command: string): ProcessInfo {
  return {
    id: `7-${startedAt}`,
    pid: 7,
    command,
    running: true,
    exitCode: null,
    signal: null,
    started_at: new Date(startedAt).toISOString(),
  }
}
