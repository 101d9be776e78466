import type { z } from "zod"
import { AgentError, ProtocolError } from "./errors.js"
import type { Frame, FrameType } from "./frame.js"
import { failure } from "./messages.js"

/** Sends a frame on a stream. Does nothing once the connection is gone. */
export type SendFrame = (type: FrameType, payload?: Uint8Array) => void

/** The host's end of a request that is not answered yet. */
export interface Stream {
  /** @throws ProtocolError when the guest may not send this frame here. */
  receive(frame: Frame): void
  /** @throws ProtocolError when the response is not one to this request. */
  respond(response: unknown): void
  fail(error: Error): void
}

/** Keeps a failure that nobody waits for from ending the process. Whoever awaits the promise still sees it. */
export function quietly(promise: Promise<unknown>): void {
  promise.catch(() => undefined)
}

/** The stream of a request that is answered by its response alone. */
export class Answer<Done> implements Stream {
  readonly promise: Promise<Done>
  readonly #done: z.ZodType<Done>
  #resolve!: (done: Done) => void
  #reject!: (error: Error) => void

  constructor(done: z.ZodType<Done>) {
    this.#done = done
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    quietly(this.promise)
  }

  receive(frame: Frame): void {
    throw new ProtocolError(`a ${frame.type} frame where only a response may come`)
  }

  respond(response: unknown): void {
    const done = this.#done.safeParse(response)
    if (done.success) {
      this.#resolve(done.data)
      return
    }
    const failed = failure.safeParse(response)
    if (!failed.success) throw new ProtocolError("a response that is none of those to its request")
    this.#reject(new AgentError(failed.data.code, failed.data.message))
  }

  fail(error: Error): void {
    this.#reject(error)
  }
}
