import type { Patience } from "./patience.js"
import { reason } from "./reason.js"

/** How long a transfer may stand still, in milliseconds: as long as the server allows it. */
const stallMs = 60_000

/** How long a server may take to begin its answer once it has everything, in milliseconds. */
const answerMs = 120_000

/** The slowest pace at which content of known size is sent, in bytes a millisecond: 64 KB/s. */
const slowestPace = 64

/** How long it may take to send so many bytes, where nobody can see how far they are, in milliseconds. */
export const uploadMs = (bytes: number) => answerMs + bytes / slowestPace

/** Content that comes from a server: fails when it breaks off, or when nothing comes for a minute. */
export function download(
  body: ReadableStream<Uint8Array>,
  patience: Patience,
  server: string,
): ReadableStream<Uint8Array> {
  const reader = body.getReader()
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        patience.renew(stallMs, `${server} sent nothing for ${stallMs / 1000} seconds`)
        try {
          const { done, value } = await reader.read()
          if (done) controller.close()
          else controller.enqueue(value)
        } catch (error) {
          const { signal } = patience
          controller.error(
            signal.aborted ? signal.reason : new Error(`${server} broke off: ${reason(error)}`),
          )
        } finally {
          patience.end()
        }
      },
      cancel: (why) => reader.cancel(why),
    },
    { highWaterMark: 0 },
  )
}

/** Content on its way to a server, as a stream that is given up when nothing of it can be sent for a minute. */
export class Upload {
  readonly body: ReadableStream<Uint8Array>
  /** Why its source failed, if it did. */
  failure: string | undefined
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  readonly #over = new AbortController()

  constructor(source: ReadableStream<Uint8Array>, patience: Patience, server: string) {
    this.#reader = source.getReader()
    this.body = new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const { done, value } = await this.#next()
          if (done) {
            patience.renew(answerMs, `${server} did not answer within ${answerMs / 1000} seconds`)
            controller.close()
          } else {
            patience.renew(stallMs, `Nothing could be sent to ${server} for ${stallMs / 1000} seconds`)
            controller.enqueue(value)
          }
        },
        cancel: () => {
          this.stop()
        },
      },
      { highWaterMark: 0 },
    )
  }

  /** Lets go of the source; what was not sent yet never will be. */
  stop(): void {
    this.#over.abort()
    this.#reader.cancel().catch(() => undefined)
  }

  async #next(): Promise<ReadableStreamReadResult<Uint8Array>> {
    // A fetch that was aborted may go on asking.
    this.#over.signal.throwIfAborted()
    const part = await this.#reader.read().catch((error: unknown) => {
      this.failure = reason(error)
      throw error
    })
    this.#over.signal.throwIfAborted()
    return part
  }
}
