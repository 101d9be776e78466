import { Failure } from "../failure.js"
import type {
  SandboxSession,
  SessionEnd,
  SessionHandlers,
  SessionRequest,
} from "../sandboxes/sandbox-service.js"

/** What each command of `FakeSession` does once it is started. */
const commands: Record<string, (session: FakeSession) => void | Promise<void>> = {
  async both(session) {
    await session.print("out\n")
    await session.complain("err\n")
    session.exit(7)
  },
  killed: (session) => {
    session.finish({ exitCode: null, signal: "KILL", snapshot: "cmd_2" })
  },
  crashed: (session) => {
    session.finish({ exitCode: null, signal: "BUS", snapshot: "cmd_2" })
  },
  interrupted: (session) => {
    session.breakOff(new Failure("interrupted", "A restore ended the command."))
  },
  async show(session) {
    await session.print(JSON.stringify(session.request))
    session.exit(0)
  },
  async flood(session) {
    for (let sent = 0; sent < 24; sent++) {
      await session.print("x".repeat(1024 * 1024))
      await session.complain("y".repeat(1024 * 1024))
    }
    session.exit(0)
  },
  cat: () => undefined,
  shell: () => undefined,
  wait: () => undefined,
}

/**
 * A session without a machine. `cat` gives its input back, a shell does so until a line says "exit", `wait` ends when
 * it is cancelled; for the rest see `commands`.
 */
export class FakeSession implements SandboxSession {
  readonly request: SessionRequest
  readonly ended: Promise<SessionEnd>
  readonly sizes: string[] = []
  readonly signals: string[] = []
  cancelled = false
  /** Bytes of output that were taken. */
  printed = 0
  finish: (end: SessionEnd) => void = () => undefined
  breakOff: (failure: Failure) => void = () => undefined
  readonly #handlers: SessionHandlers
  readonly #name: string

  constructor(request: SessionRequest, handlers: SessionHandlers) {
    this.request = request
    this.#handlers = handlers
    this.#name = request.command ?? "shell"
    this.ended = new Promise((resolve, reject) => {
      this.finish = resolve
      this.breakOff = reject
    })
    void commands[this.#name]?.(this)
  }

  exit(exitCode: number): void {
    this.finish({ exitCode, signal: null, snapshot: "cmd_2" })
  }

  async print(text: string): Promise<void> {
    await this.#handlers.onStdout(Buffer.from(text))
    this.printed += text.length
  }

  async complain(text: string): Promise<void> {
    await this.#handlers.onStderr(Buffer.from(text))
    this.printed += text.length
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (this.#name === "wait") return new Promise(() => undefined)
    const text = Buffer.from(chunk).toString("latin1")
    await this.#handlers.onStdout(chunk)
    if (this.#name === "shell" && text.includes("exit")) this.exit(3)
  }

  end(): void {
    if (this.#name === "cat") this.exit(0)
  }

  resize(cols: number, rows: number): void {
    this.sizes.push(`${cols}x${rows}`)
    void this.#handlers.onStdout(Buffer.from(`size ${cols}x${rows}\r\n`))
  }

  signal(name: string): void {
    this.signals.push(name)
    this.finish({ exitCode: null, signal: name, snapshot: "cmd_2" })
  }

  cancel(): void {
    this.cancelled = true
    this.finish({ exitCode: null, signal: "KILL", snapshot: null })
  }
}
