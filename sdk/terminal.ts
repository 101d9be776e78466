import { told } from "./answer.js"
import { failure, type TerminalEnd, type TerminalResult } from "./results.js"
import { hasFields } from "./shapes.js"
import { TerminalOutput, type OutputListener } from "./terminal-output.js"
import type { TerminalExit, TerminalRequest } from "./wire-types.js"
import type { WebSocketLike } from "./web-socket.js"

/** How to open a terminal. */
export interface TerminalOptions extends TerminalRequest {
  /** Its width in characters. Default 80. */
  cols?: number
  /** Its height in characters. Default 24. */
  rows?: number
  /** The value of TERM. Default `xterm-256color`. */
  term?: string
  /** The program to talk to. Default: bash, as a login shell. */
  shell?: string
  /** A shell command to run in the terminal; an interactive shell when left out. */
  command?: string
  /** The directory to start in; a relative one is in /workspace. Default: /workspace. */
  cwd?: string
  /** Who runs it: the name or the number of a user of the sandbox. Default: root. */
  user?: string
  /** Variables that are added to the environment. */
  env?: Record<string, string>
}

/** How long a terminal may take to open, in milliseconds: the sandbox's machine may have to start. */
const openingMs = 120_000

/** How long the server may take to confirm that a terminal is closed, in milliseconds. */
const closingMs = 5_000

/** The largest message, in bytes. */
const messageBytes = 256 * 1024

/**
 * A terminal in a sandbox, with a shell or a command that runs in it. Made by `Sandbox.terminal`. When its shell has ended
 * by itself, a snapshot is taken.
 *
 * Its output can be listened to, or read as an async iterable of bytes. While nobody does, the last 8 MiB are kept.
 * @example
 * const opened = await sandbox.terminal({ cols: 120, rows: 40 })
 * if (opened.success) {
 *   const { terminal } = opened
 *   terminal.write("make && exit\n")
 *   for await (const chunk of terminal) process.stdout.write(chunk)
 *   console.log(await terminal.wait())
 * }
 */
export class Terminal implements AsyncIterable<Uint8Array<ArrayBuffer>> {
  readonly #socket: WebSocketLike
  readonly #output = new TerminalOutput()
  readonly #closed: Promise<void>
  #isOver = false
  #end!: (end: TerminalEnd) => void
  readonly #ended: Promise<TerminalEnd>

  private constructor(socket: WebSocketLike, onOpened: () => void) {
    this.#socket = socket
    this.#ended = new Promise((resolve) => {
      this.#end = (end) => {
        this.#isOver = true
        this.#output.end()
        resolve(end)
      }
    })
    socket.binaryType = "arraybuffer"
    socket.addEventListener("message", (event) => {
      const { data } = event as { data?: unknown }
      if (data instanceof ArrayBuffer) this.#output.push(new Uint8Array(data))
      else this.#receive(parseJson(data), onOpened)
    })
    // A close follows, which says no more either.
    socket.addEventListener("error", () => undefined)
    this.#closed = new Promise((resolve) => {
      socket.addEventListener("close", () => {
        this.#end(
          failure("unavailable", "The connection to the terminal broke off, which ended what ran in it"),
        )
        resolve()
      })
    })
  }

  /** The terminal at the other end of a WebSocket, when it has opened. */
  static async open(socket: WebSocketLike): Promise<TerminalResult> {
    let timer: ReturnType<typeof setTimeout> | undefined
    const late = new Promise<TerminalEnd>((resolve) => {
      timer = setTimeout(() => {
        socket.close()
        resolve(failure("timeout", `The terminal did not open within ${openingMs / 1000} seconds`))
      }, openingMs)
    })
    let onOpened: () => void = () => undefined
    const opened = new Promise<true>((resolve) => {
      onOpened = () => {
        resolve(true)
      }
    })
    const terminal = new Terminal(socket, onOpened)
    const outcome = await Promise.race([opened, terminal.wait(), late])
    clearTimeout(timer)
    if (outcome === true || outcome.success) return { success: true, terminal }
    return outcome
  }

  /**
   * Types something. Nothing happens once the terminal is over.
   * @example
   * terminal.write("ls\n")
   * terminal.write("\x03") // Ctrl-C
   */
  write(data: string | Uint8Array): void {
    if (this.#isOver) return
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : new Uint8Array(data)
    for (let sent = 0; sent < bytes.length; sent += messageBytes) {
      this.#socket.send(bytes.subarray(sent, sent + messageBytes))
    }
  }

  /**
   * Changes the terminal's size, in characters.
   * @example
   * terminal.resize(120, 40)
   */
  resize(cols: number, rows: number): void {
    if (!this.#isOver) this.#socket.send(JSON.stringify({ type: "resize", cols, rows }))
  }

  /**
   * Calls `listener` with the output as it comes, beginning with what nobody has read yet.
   * @returns a function that ends that
   * @example
   * const stop = terminal.onData((chunk) => process.stdout.write(chunk))
   */
  onData(listener: OutputListener): () => void {
    return this.#output.listen(listener)
  }

  /**
   * Waits until the shell has ended.
   * @example
   * const end = await terminal.wait()
   * if (end.success) console.log(end.exitCode, end.snapshot)
   */
  wait(): Promise<TerminalEnd> {
    return this.#ended
  }

  /**
   * Closes the terminal and kills what runs in it; no snapshot is taken then.
   * @example
   * await terminal.close()
   */
  async close(): Promise<void> {
    this.#end(failure("interrupted", "The terminal was closed, which ended what ran in it"))
    this.#socket.close()
    let timer: ReturnType<typeof setTimeout> | undefined
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, closingMs)
    })
    await Promise.race([this.#closed, patience])
    clearTimeout(timer)
  }

  /**
   * The output as it comes, until the shell has ended.
   * @example
   * for await (const chunk of terminal) process.stdout.write(chunk)
   */
  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
    return this.#output.chunks()
  }

  /**
   * Closes the terminal, as `close` does.
   * @example
   * await using terminal = unwrap(await sandbox.terminal()).terminal
   */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #receive(message: unknown, onOpened: () => void): void {
    if (!hasFields<{ type: string }>(message, { type: "string" })) return
    if (message.type === "opened") onOpened()
    else if (isExit(message)) {
      const { exitCode, signal, snapshot } = message
      this.#end({ success: true, exitCode, signal, snapshot })
    } else if (message.type === "failure") {
      const broken = told(message)
      if (broken !== undefined) this.#end(broken)
    }
  }
}

const isExit = (message: unknown): message is TerminalExit =>
  hasFields<TerminalExit>(message, {
    type: "string",
    exitCode: "number?",
    signal: "string?",
    snapshot: "string?",
  })

function parseJson(text: unknown): unknown {
  try {
    return typeof text === "string" ? JSON.parse(text) : undefined
  } catch {
    return undefined
  }
}
