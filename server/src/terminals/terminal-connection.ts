import { terminalResize, type TerminalMessage } from "opensandbox/contract"
import type { Logger } from "pino"
import type { RawData, WebSocket } from "ws"
import { Failure } from "../failure.js"
import type { SandboxSession, SessionHandlers } from "../sandboxes/sandbox-service.js"

/**
 * How often a client must give a sign of life, in milliseconds: an answer to a ping, a message, or that it took some of the
 * output. One that gives none from one beat to the next is cut off.
 */
const heartbeatMs = 30_000

/** One client's terminal, over its WebSocket. */
export class TerminalConnection {
  readonly #socket: WebSocket
  readonly #log: Logger
  #session: SandboxSession | undefined
  #alive = true
  /** Messages that the guest has not taken yet. */
  #waiting = 0

  constructor(socket: WebSocket, log: Logger) {
    this.#socket = socket
    this.#log = log
  }

  /** Carries bytes until the session has ended or the client is gone, which ends the session. Never rejects. */
  async serve(open: (handlers: SessionHandlers) => Promise<SandboxSession>): Promise<void> {
    // A broken or hostile client is its own trouble: its connection closes.
    this.#socket.on("error", () => undefined)
    const heartbeat = setInterval(() => {
      this.#beat()
    }, heartbeatMs)
    this.#socket.on("close", () => {
      clearInterval(heartbeat)
      this.#leave()
    })
    this.#socket.on("pong", () => {
      this.#alive = true
    })
    this.#socket.on("message", (data, isBinary) => {
      this.#receive(data, isBinary)
    })
    // Nothing can be done with input before there is a session.
    this.#socket.pause()
    try {
      const print = (chunk: Uint8Array) => this.#send(chunk)
      const session = await open({ onStdout: print, onStderr: print })
      this.#session = session
      this.#tell({ type: "opened" })
      this.#socket.resume()
      if (this.#isGone) this.#leave()
      this.#tell({ type: "exit", ...(await session.ended) })
    } catch (error) {
      this.#tell(this.#failureMessage(error))
    }
    this.#session = undefined
    this.#socket.resume()
    this.#socket.close(1000)
  }

  get #isGone(): boolean {
    return this.#socket.readyState !== this.#socket.OPEN
  }

  #beat(): void {
    if (!this.#alive) {
      this.#socket.terminate()
      this.#leave()
    } else if (!this.#isGone) {
      this.#alive = false
      this.#socket.ping()
    }
  }

  /** The client is gone: kills what runs, unless it is over. */
  #leave(): void {
    this.#session?.cancel()
    this.#session = undefined
  }

  #tell(message: TerminalMessage): void {
    this.#socket.send(JSON.stringify(message), () => undefined)
  }

  /** Fulfilled when the client has taken the bytes, or is gone: until then the guest sends no more than its credit. */
  #send(chunk: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.send(chunk, () => {
        this.#alive = true
        resolve()
      })
    })
  }

  #receive(data: RawData, isBinary: boolean): void {
    this.#alive = true
    const session = this.#session
    if (session === undefined) return
    if (isBinary) this.#write(session, data as Buffer)
    else this.#resize(session, data as Buffer)
  }

  /** Reads no more from the client than the guest takes. */
  #write(session: SandboxSession, bytes: Buffer): void {
    this.#waiting += 1
    this.#socket.pause()
    const taken = () => {
      this.#waiting -= 1
      if (this.#waiting === 0) this.#socket.resume()
    }
    session.write(bytes).then(taken, taken)
  }

  #resize(session: SandboxSession, text: Buffer): void {
    const message = terminalResize.safeParse(parsed(text))
    if (message.success) session.resize(message.data.cols, message.data.rows)
    else this.#socket.close(1003, "a text message is a TerminalResize")
  }

  #failureMessage(error: unknown): TerminalMessage {
    if (error instanceof Failure) return { type: "failure", error: error.message, code: error.code }
    this.#log.error({ err: error }, "a terminal met an unexpected error")
    return {
      type: "failure",
      error: "The server made a mistake; its log says more.",
      code: "internal",
    }
  }
}

function parsed(text: Buffer): unknown {
  try {
    return JSON.parse(text.toString())
  } catch {
    return undefined
  }
}
