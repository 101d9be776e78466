import type { z } from "zod"
import type { AgentConnection } from "./connection.js"
import type { GuestStream } from "./guest-stream.js"
import { JsonLines } from "./json-lines.js"
import { watchDone, watchEvent, watching, type WatchDone } from "./directory-messages.js"

/** Something that happened in a directory that is watched. Paths are absolute; see `ChangedPath.path` for odd ones. */
export interface WatchEvent {
  /** `overflow`: events were lost, since they were not taken in time. */
  readonly type: "create" | "change" | "delete" | "rename" | "overflow"
  /** All but an overflow have it. */
  readonly path?: string
  /** The new path, after a rename. */
  readonly to?: string
}

/** Takes events; the guest is asked for more once the promise is fulfilled. */
type TakeEvents = (events: readonly WatchEvent[]) => Promise<void>

/** The most events in what a guest sends at one time, each of which has some 30 bytes at least. */
const maxAtOnce = 10_000

/** A watch of a directory. Until somebody listens its events wait in the guest. */
export class GuestWatch {
  /** Resolves once the watch is in force. */
  readonly begun: Promise<void>
  /** Resolves when the watch is over. Rejects with AgentError, AgentGoneError. */
  readonly done: Promise<WatchDone>
  readonly #stream: GuestStream<WatchDone>
  readonly #agent: Pick<AgentConnection, "close">
  readonly #lines = new JsonLines<z.infer<typeof watchEvent>>(watchEvent, maxAtOnce)
  #listen: (take: TakeEvents) => void = () => undefined

  constructor(agent: Pick<AgentConnection, "stream" | "close">, path: string, recursive: boolean) {
    this.#agent = agent
    const listening = new Promise<TakeEvents>((resolve) => (this.#listen = resolve))
    let begin: () => void = () => undefined
    this.begun = new Promise((resolve) => (begin = resolve))
    this.#stream = agent.stream({ op: "watch", path, recursive }, watchDone, {
      onEvent: (event) => {
        watching.parse(event)
        begin()
      },
      onStdout: async (bytes) => {
        const events = this.#parse(bytes)
        const take = await listening
        await take(events)
      },
    })
    this.done = this.#stream.done
  }

  /** Who takes the events from now on. */
  listen(take: TakeEvents): void {
    this.#listen(take)
  }

  /** Asks for the end of the watch; events that nobody takes are thrown away. */
  cancel(): void {
    this.#listen(() => Promise.resolve())
    this.#stream.cancel()
  }

  /** A guest that breaks the protocol is hung up on, wherever that is noticed. */
  #parse(bytes: Uint8Array): WatchEvent[] {
    try {
      this.#lines.push(bytes)
      return this.#lines.items.splice(0)
    } catch (error) {
      this.#agent.close()
      throw error
    }
  }
}
