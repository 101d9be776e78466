import type { z } from "zod"
import type { Content } from "./content.js"
import type { ErrorCode } from "./error-codes.js"

/** One operation of the wire. */
export interface Route {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE"
  /** The path, with parameters as `:name`. */
  path: string
  /** Who may call: anyone, the holder of a key, or the holder of an admin key. */
  auth: "none" | "key" | "admin"
  /** The path's parameters, still as strings. */
  params?: z.ZodObject
  /** The parameters after the path, still as strings; a route without them ignores what is sent. */
  query?: z.ZodObject
  /** The headers, in small letters, that the route heeds. */
  headers?: z.ZodObject
  /**
   * The JSON body, which may be empty if the schema takes `undefined`, or a stream of content without a bound; a route
   * without one ignores what is sent.
   */
  body?: z.ZodType | Content
  /** The longest JSON of the body, in bytes; `maxJsonBytes` when left out. */
  maxJsonBytes?: number
  /** The JSON of a success, or content that may come as a stream. */
  response: z.ZodObject | Content
  /** The HTTP status of a success. */
  status: 200 | 201
  /** What a success with 200 means, where 201 is the usual one. */
  when200?: string
  /** What can go wrong, beyond what can go wrong everywhere (see `commonErrors`). */
  errors: readonly ErrorCode[]
  /**
   * Whether a request that accepts `text/event-stream` is answered at once with server-sent events: comments
   * while it lasts, perhaps events of the route's own, then one event `result` with the response, or one event `error`
   * with the error body.
   */
  eventStream?: true
  summary: string
}

/** Whether it is content of another media type than JSON. */
export const isContent = (shape: z.ZodType | Content): shape is Content => "mediaType" in shape

/** The codes that any call of such a route can fail with. */
export function commonErrors(auth: Route["auth"]): ErrorCode[] {
  const everywhere: ErrorCode[] = ["internal", "unavailable"]
  if (auth === "none") return everywhere
  return ["unauthorized", ...(auth === "admin" ? (["forbidden"] as const) : []), ...everywhere]
}
