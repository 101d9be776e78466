import { randomInt } from "node:crypto"
import { once } from "node:events"
import type { Socket } from "node:net"
import { within } from "../deadline.js"
import { connectWhenReady } from "../unix-socket.js"
import { LineSplitter } from "./line-splitter.js"
import { qmpMessage, type QmpEvent } from "./message.js"

/** QEMU refused a command. `class` is QEMU's own word for the kind of error. */
export class QmpError extends Error {
  override name = "QmpError"
  readonly class: string

  constructor(command: string, errorClass: string, description: string) {
    super(`${command}: ${description}`)
    this.class = errorClass
  }
}

/** The monitor is gone: the machine ended, or broke the protocol. */
export class QmpClosedError extends Error {
  override name = "QmpClosedError"
}

interface Pending {
  command: string
  resolve: (value: unknown) => void
  reject: (error: Error) => void
}

/** 4 Mi characters: the block graph of a sandbox with a thousand layers needs about one. */
const longestLine = 4 * 1024 * 1024

/**
 * A conversation with one machine's monitor.
 * The protocol: https://www.qemu.org/docs/master/interop/qmp-spec.html
 */
export class QmpClient {
  readonly #socket: Socket
  readonly #pending = new Map<number, Pending>()
  readonly #listeners = new Set<(event: QmpEvent) => void>()
  /** Begins anywhere: a machine may still answer what an earlier server asked. */
  #lastId = randomInt(2 ** 32)
  #closedBecause: string | undefined

  /** Settles when the monitor is gone, whatever the reason. */
  readonly closed: Promise<void>

  private constructor(socket: Socket) {
    this.#socket = socket
    const lines = new LineSplitter(longestLine)
    socket.setEncoding("utf8")
    socket.on("data", (text: string) => {
      try {
        for (const line of lines.push(text)) if (line.trim() !== "") this.#receive(line)
      } catch (error) {
        this.#closedBecause = `the monitor broke the protocol: ${String(error)}`
        socket.destroy()
      }
    })
    socket.on("error", (error) => {
      this.#closedBecause ??= error.message
    })
    this.closed = once(socket, "close").then(
      () => {
        this.#rejectAll()
      },
      () => {
        this.#rejectAll()
      },
    )
  }

  /**
   * Connects and negotiates.
   *
   * @param gone Says whether the machine's process has ended.
   * @throws DeadlineError when the machine does not answer in `milliseconds`.
   */
  static async connect(path: string, milliseconds: number, gone?: () => boolean): Promise<QmpClient> {
    const started = performance.now()
    const client = new QmpClient(await connectWhenReady(path, milliseconds, gone))
    try {
      const left = Math.max(1, milliseconds - (performance.now() - started))
      await client.execute("qmp_capabilities", {}, left)
      return client
    } catch (error) {
      client.close()
      throw error
    }
  }

  /**
   * Gives the machine a command and waits for its answer.
   *
   * @throws QmpError when QEMU refuses, QmpClosedError when the monitor is gone, DeadlineError after `milliseconds`.
   */
  async execute(
    command: string,
    args: Record<string, unknown> = {},
    milliseconds = 10_000,
  ): Promise<unknown> {
    if (!this.open) throw this.#closedError(command)
    const id = ++this.#lastId
    const answer = new Promise<unknown>((resolve, reject) =>
      this.#pending.set(id, { command, resolve, reject }),
    )
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`)
    try {
      return await within(milliseconds, `the answer to ${command}`, answer)
    } finally {
      this.#pending.delete(id)
    }
  }

  /** Calls `listener` for each event; the answer ends that. */
  onEvent(listener: (event: QmpEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Whether commands can be given. Once it is false it stays so. */
  get open(): boolean {
    return !this.#socket.destroyed
  }

  /** Hangs up. The machine goes on. */
  close(): void {
    this.#socket.destroy()
  }

  #receive(line: string): void {
    const message = qmpMessage.parse(JSON.parse(line))
    switch (message.kind) {
      case "greeting":
        return
      case "event":
        for (const listener of this.#listeners) listener(message)
        return
      case "return":
        this.#pending.get(message.id)?.resolve(message.return)
        return
      case "error": {
        const pending = this.#pending.get(message.id ?? -1)
        pending?.reject(new QmpError(pending.command, message.error.class, message.error.desc))
      }
    }
  }

  #rejectAll(): void {
    for (const pending of this.#pending.values()) pending.reject(this.#closedError(pending.command))
  }

  #closedError(command: string): QmpClosedError {
    return new QmpClosedError(`${command}: ${this.#closedBecause ?? "the machine has ended"}`)
  }
}
