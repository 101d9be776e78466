import { told } from "./answer.js"
import { readEvents, type ServerEvent } from "./event-stream.js"
import { reason } from "./reason.js"
import { failure, type Failure } from "./results.js"

/**
 * Something that happened in a directory, or to a file, that is watched. Paths are absolute. `change` is one of the content, the mode,
 * the owner or the times. `overflow` says that events were lost because they came faster than they were taken: look again
 * at all that matters.
 */
export type WatchEvent =
  | { type: "create" | "change" | "delete"; path: string }
  | { type: "rename"; path: string; to: string }
  | { type: "overflow" }

/** How many events may wait to be taken. */
const maxWaiting = 10_000

/**
 * The events of a directory or a file, for one `for await`. The loop ends when the watcher is closed, when the directory
 * itself (of a file: the one that it is in) is gone, and when the connection is lost, which `failure` tells.
 */
export class Watcher implements AsyncIterable<WatchEvent> {
  /** Why the events ended, unless it was by `close` or because the directory is gone. */
  failure: Failure | undefined
  readonly #ending = new AbortController()
  readonly #waiting: WatchEvent[] = []
  #over = false
  #wake: () => void = () => undefined

  private constructor() {
    // Made by `open`.
  }

  /** Reads the events of an answer; resolves once the watch is in force, or to why it is not. */
  static async open(answer: ReadableStream<Uint8Array>): Promise<Watcher | Failure> {
    const watcher = new Watcher()
    const body = answer.pipeThrough(new TransformStream<Uint8Array, Uint8Array>(), {
      signal: watcher.#ending.signal,
    })
    const events = readEvents(new Response(body))
    const refused = await firstOf(events)
    if (refused !== undefined) return refused
    void watcher.#collect(events)
    return watcher
  }

  /**
   * Ends the watch. Events that wait can still be taken.
   * @example
   * setTimeout(() => watcher.close(), 60_000)
   */
  close(): void {
    this.#end()
    this.#ending.abort()
  }

  /**
   * Closes it at the end of an `await using` block.
   * @example
   * await using watcher = unwrap(await sandbox.files.watch("src")).watcher
   */
  [Symbol.asyncDispose](): Promise<void> {
    this.close()
    return Promise.resolve()
  }

  /**
   * The events as they come, until it is closed.
   * @example
   * for await (const event of watcher) console.log(event.type)
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<WatchEvent, void, undefined> {
    try {
      for (;;) {
        const event = this.#waiting.shift()
        if (event !== undefined) yield event
        else if (this.#over) return
        else await new Promise<void>((resolve) => (this.#wake = resolve))
      }
    } finally {
      this.close()
    }
  }

  /** Takes events as they come, whether or not anybody takes them here: a server gives up on who does not. */
  async #collect(events: AsyncGenerator<ServerEvent, void, undefined>): Promise<void> {
    try {
      for await (const event of events) {
        if (event.event === "end") {
          this.#end()
          return
        }
        if (event.event === "error") this.failure = failureOf(event)
        else this.#add(JSON.parse(event.data) as WatchEvent)
      }
      this.failure ??= failure("unavailable", "The server ended the watch; begin another one")
    } catch (error) {
      if (!this.#over) this.failure = failure("unavailable", `The watch broke off: ${reason(error)}`)
    } finally {
      this.#end()
    }
  }

  #add(event: WatchEvent): void {
    if (this.#over) return
    if (this.#waiting.length < maxWaiting) this.#waiting.push(event)
    else if (this.#waiting.at(-1)?.type !== "overflow") this.#waiting.push({ type: "overflow" })
    this.#wake()
  }

  #end(): void {
    this.#over = true
    this.#wake()
  }
}

async function firstOf(events: AsyncGenerator<ServerEvent, void, undefined>): Promise<Failure | undefined> {
  try {
    const { value: first } = await events.next()
    if (first?.event === "watching") return undefined
    await events.return()
    return first === undefined ? failure("unavailable", "The server ended the watch") : failureOf(first)
  } catch (error) {
    return failure("unavailable", `The watch could not begin: ${reason(error)}`)
  }
}

const failureOf = ({ data }: ServerEvent): Failure =>
  told(JSON.parse(data)) ?? failure("internal", "The server ended the watch in a form that is not known here")
