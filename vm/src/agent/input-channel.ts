import { ProtocolError } from "./errors.js"
import { limits } from "./frame.js"
import type { SendFrame } from "./stream.js"

/** Sends a command's input as fast as the guest grants credit for it. */
export class InputChannel {
  readonly #send: SendFrame
  #credit: number = limits.inputWindow
  #closed = false
  #ended = false
  #wake: (() => void) | undefined
  #turn: Promise<void> = Promise.resolve()

  constructor(send: SendFrame) {
    this.#send = send
  }

  /** Settles, never with an error, when all is sent, or when the command no longer wants it. */
  write(bytes: Uint8Array): Promise<void> {
    if (this.#ended) return Promise.resolve()
    this.#turn = this.#turn.then(() => this.#sendAll(bytes))
    return this.#turn
  }

  /** Ends the input after what was written so far. */
  end(): void {
    if (this.#ended) return
    this.#ended = true
    void this.#turn.then(() => {
      if (!this.#closed) this.#send("STDIN_EOF")
    })
  }

  /** @throws ProtocolError when the guest grants more than it received. */
  grant(bytes: number): void {
    if (this.#credit + bytes > limits.inputWindow)
      throw new ProtocolError("credit for input that was never sent")
    this.#credit += bytes
    this.#wake?.()
  }

  /** The command is over. */
  close(): void {
    this.#closed = true
    this.#wake?.()
  }

  async #sendAll(bytes: Uint8Array): Promise<void> {
    for (let sent = 0; sent < bytes.length;) {
      if (this.#credit === 0 && !this.#closed) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
      if (this.#closed) return
      const piece = bytes.subarray(sent, sent + Math.min(limits.data, this.#credit))
      this.#credit -= piece.length
      sent += piece.length
      this.#send("STDIN", piece)
    }
  }
}
