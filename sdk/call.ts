import type { Failure } from "./results.js"
import type { WebSocketLike } from "./web-socket.js"

/** What a call can send that is no JSON. A stream is read as fast as it can be sent, and cancelled if it is not wanted. */
export type Content = ReadableStream<Uint8Array> | Blob | Uint8Array

/** One request to the server. */
export interface Call {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE"
  /** The path's segments, not yet encoded. */
  path: readonly string[]
  /** What follows the path; what is undefined is left out. */
  query?: Readonly<Record<string, string | undefined>>
  /** Sent as JSON; none when left out. */
  body?: unknown
  /** Milliseconds until the call gives up; two minutes when left out. */
  deadlineMs?: number
  /** Ask for an event stream, so that an answer that takes long does not run into the fetch's own time limits. */
  eventStream?: boolean
  /**
   * Hears of the events ahead of the result, with their data as JSON. The next comes once the promise that it gives is
   * fulfilled; one that it rejects ends the call.
   */
  onEvent?: (event: string, data: unknown) => unknown
  /** Gives up when it is aborted; the call then fails with `aborted`. */
  signal?: AbortSignal | undefined
}

/** Carries calls to the server. Never rejects. */
export interface Caller {
  /** Where the server is. */
  readonly baseUrl: string
  /** The JSON of a success that `isAnswer` accepts, or why there is none. */
  call<T>(call: Call, isAnswer: (body: unknown) => body is T): Promise<Answer<T>>
  /** The content of a success, all of it. */
  bytes(call: Call, mediaType: string): Promise<Answer<Uint8Array<ArrayBuffer>>>
  /** The content of a success as it comes. The stream fails when it breaks off, or when nothing comes for a minute. */
  stream(call: Call, mediaType: string): Promise<Answer<ReadableStream<Uint8Array>>>
  /** A WebSocket to the server, not open yet. It carries no key. */
  webSocket(path: Call["path"], query: Call["query"]): Answer<WebSocketLike>
  /** Sends content, however long that and the answer take, and gives up when nothing moves for a minute. */
  upload<T>(call: Call, content: Content, isAnswer: (body: unknown) => body is T): Promise<Answer<T>>
}

/** `status` is the HTTP status of a success: 201 where something was made for it. */
export type Answer<T> = { success: true; body: T; status: number } | Failure
