import type { Call, Caller } from "./call.js"
import { detached } from "./process-events.js"
import type { WriteResult } from "./results.js"
import { isInputAnswer } from "./shapes.js"

/** How much is sent in one request, in bytes. */
const pieceBytes = 256 * 1024

/** A process's standard input. What is written arrives in the order of the calls. */
export class ProcessInput {
  readonly #caller: Caller
  readonly #call: Call
  readonly #signal: AbortSignal
  #turn: Promise<unknown> = Promise.resolve()

  constructor(caller: Caller, call: Call, signal: AbortSignal) {
    this.#caller = caller
    this.#call = call
    this.#signal = signal
  }

  /**
   * Writes to the process's input, at the pace at which the process reads it. A `not_found` means that it has ended, or
   * closed its input.
   * @param data text, sent as UTF-8, or bytes
   * @example
   * await process.stdin.write("print(6 * 7)\n")
   */
  write(data: string | Uint8Array): Promise<WriteResult> {
    return this.#queue(data, false)
  }

  /**
   * Closes the process's input, after a last piece of it if there is one. A terminal is sent the character for that.
   * @example
   * await process.stdin.end("the last line\n")
   */
  end(data: string | Uint8Array = ""): Promise<WriteResult> {
    return this.#queue(data, true)
  }

  #queue(data: string | Uint8Array, end: boolean): Promise<WriteResult> {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data
    const sent = this.#turn.then(() => this.#send(bytes, end))
    this.#turn = sent
    return sent
  }

  async #send(bytes: Uint8Array, end: boolean): Promise<WriteResult> {
    let sent = 0
    do {
      if (this.#signal.aborted) return detached
      const piece = bytes.subarray(sent, sent + pieceBytes)
      const last = sent + piece.length === bytes.length
      const call = { ...this.#call, query: { end: end && last ? "true" : undefined }, signal: this.#signal }
      const answer = await this.#caller.upload(call, piece, isInputAnswer)
      if (!answer.success) return answer
      sent += answer.body.written
    } while (sent < bytes.length)
    return { success: true }
  }
}
