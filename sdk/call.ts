import type { Failure } from "./results.js"

/** One request to the server. */
export interface Call {
  method: "GET" | "POST" | "DELETE"
  /** The path's segments, not yet encoded. */
  path: readonly string[]
  /** Sent as JSON; none when left out. */
  body?: unknown
  /** Milliseconds until the call gives up; two minutes when left out. */
  deadlineMs?: number
  /** Ask for an event stream, so that an answer that takes long does not run into the fetch's own time limits. */
  eventStream?: boolean
}

/** Carries calls to the server. Never rejects. */
export interface Caller {
  /** The JSON of a success that `isAnswer` accepts, or why there is none. */
  call<T>(call: Call, isAnswer: (body: unknown) => body is T): Promise<Answer<T>>
}

export type Answer<T> = { success: true; body: T } | Failure
