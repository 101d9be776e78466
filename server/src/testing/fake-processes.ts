import type { OutputPiece } from "@opensandbox/vm"
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

  async get(pid: number): Promise<ProcessInfo> {
    await this.#find(pid)
    return infoOf("make dev")
  }

  async read(pid: number, request: OutputRequest, listener: OutputListener): Promise<OutputReading> {
    await this.#find(pid)
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

  async write(pid: number, input: ReadableStream<Uint8Array>, end: boolean): Promise<number> {
    await this.#find(pid)
    const text = await new Response(input).text()
    const taken = text.slice(0, this.appetite)
    this.asked.push({ taken, end })
    return taken.length
  }

  async signal(pid: number, signal: string): Promise<void> {
    await this.#find(pid)
    this.asked.push(signal)
  }

  async resize(pid: number, size: TerminalSize): Promise<void> {
    await this.#find(pid)
    this.asked.push(size)
  }

  async #deliver(listener: OutputListener, cancelled: Promise<undefined>): Promise<ProcessEnd | undefined> {
    for (const piece of this.pieces) {
      await listener(piece)
      this.taken += 1
    }
    return Promise.race([this.#ended, cancelled])
  }

  #find(pid: number): Promise<void> {
    return pid === 7
      ? Promise.resolve()
      : Promise.reject(new Failure("not_found", `There is no process ${pid}.`))
  }
}

function infoOf(command: string): ProcessInfo {
  return {
    pid: 7,
    command,
    running: true,
    exitCode: null,
    signal: null,
    started_at: "2030-01-01T00:00:00.000Z",
  }
}
