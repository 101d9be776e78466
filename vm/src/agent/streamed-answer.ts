import type { z } from "zod"
import { ProtocolError } from "./errors.js"
import { encodeCredit, limits, type Frame } from "./frame.js"
import { creditStep } from "./output-channel.js"
import { Answer, type SendFrame } from "./stream.js"

/** The stream of a request that is answered by output and then by its response. */
export class StreamedAnswer<Done> extends Answer<Done> {
  readonly #sink: (bytes: Uint8Array) => void
  readonly #send: SendFrame
  #credit: number = limits.outputWindow
  #handled = 0

  /** @param sink Takes each piece of the output, which it must copy to keep. Throws ProtocolError at what cannot be. */
  constructor(done: z.ZodType<Done>, sink: (bytes: Uint8Array) => void, send: SendFrame) {
    super(done)
    this.#sink = sink
    this.#send = send
  }

  override receive(frame: Frame): void {
    if (frame.type !== "STDOUT") throw new ProtocolError(`a ${frame.type} frame where only output may come`)
    const { length } = frame.payload
    if (length > this.#credit) throw new ProtocolError("output beyond its credit")
    this.#sink(frame.payload)
    this.#credit -= length
    this.#handled += length
    if (this.#handled < creditStep) return
    this.#send("CREDIT", encodeCredit({ channel: "stdout", bytes: this.#handled }))
    this.#credit += this.#handled
    this.#handled = 0
  }
}
