import type { z } from "zod"
import { ProtocolError } from "./errors.js"
import { encodeResize, parseCredit, type Frame } from "./frame.js"
import { InputChannel } from "./input-channel.js"
import { parseJson } from "./json.js"
import { OutputChannel, type OutputHandler } from "./output-channel.js"
import { Answer, quietly, type SendFrame, type Stream } from "./stream.js"

/** What listens to a stream. What has no handler the guest may not send. */
export interface StreamHandlers {
  readonly onStdout?: OutputHandler
  readonly onStderr?: OutputHandler
  /** @throws when the event is none of those of the request; the guest is hung up on then. */
  readonly onEvent?: (event: unknown) => void
}

/** The stream of a request that may carry bytes both ways, each at the pace of its reader, until it is answered. */
export class GuestStream<Done> implements Stream {
  /** Resolves when the request is answered and all output was handled. Rejects as its answer does. */
  readonly done: Promise<Done>
  readonly #send: SendFrame
  readonly #stdin: InputChannel
  readonly #stdout: OutputChannel | undefined
  readonly #stderr: OutputChannel | undefined
  readonly #onEvent: StreamHandlers["onEvent"]
  readonly #answer: Answer<Done>
  #over = false

  constructor(done: z.ZodType<Done>, handlers: StreamHandlers, send: SendFrame) {
    const { onStdout, onStderr, onEvent } = handlers
    this.#send = send
    this.#stdin = new InputChannel(send)
    this.#stdout = onStdout && new OutputChannel("stdout", onStdout, send)
    this.#stderr = onStderr && new OutputChannel("stderr", onStderr, send)
    this.#onEvent = onEvent
    this.#answer = new Answer(done)
    this.done = this.#finish()
    quietly(this.done)
  }

  /** Settles when the guest has room for more, never with an error: a stream that is over just takes nothing. */
  write(chunk: Uint8Array): Promise<void> {
    return this.#stdin.write(chunk)
  }

  /** Ends the input. */
  end(): void {
    this.#stdin.end()
  }

  /** Changes the size of the terminal, if the request is about one. */
  resize(cols: number, rows: number): void {
    if (!this.#over) this.#send("RESIZE", encodeResize(cols, rows))
  }

  /** Asks for the end; the answer comes soon. */
  cancel(): void {
    if (!this.#over) this.#send("CANCEL")
  }

  receive(frame: Frame): void {
    switch (frame.type) {
      case "STDOUT":
        expected(this.#stdout, frame).receive(frame.payload)
        break
      case "STDERR":
        expected(this.#stderr, frame).receive(frame.payload)
        break
      case "EVENT":
        expected(this.#onEvent, frame)(parseJson(frame.payload))
        break
      case "CREDIT": {
        const { channel, bytes } = parseCredit(frame.payload)
        if (channel !== "stdin")
          throw new ProtocolError(`credit for ${channel}, which the guest itself sends`)
        this.#stdin.grant(bytes)
        break
      }
      default:
        throw unexpected(frame)
    }
  }

  respond(response: unknown): void {
    this.#close()
    this.#answer.respond(response)
  }

  fail(error: Error): void {
    this.#close()
    this.#answer.fail(error)
  }

  #close(): void {
    this.#over = true
    this.#stdin.close()
  }

  async #finish(): Promise<Done> {
    const done = await this.#answer.promise
    await Promise.all([this.#stdout?.delivered(), this.#stderr?.delivered()])
    return done
  }
}

function expected<T>(handler: T | undefined, frame: Frame): T {
  if (handler === undefined) throw unexpected(frame)
  return handler
}

function unexpected(frame: Frame): ProtocolError {
  return new ProtocolError(`a ${frame.type} frame on a stream that is not for it`)
}
