/** A body on the wire that is no JSON. */
export interface Content {
  mediaType: string
  description: string
}

/** A sandbox in one piece, to move it to another server. */
export const archive = {
  mediaType: "application/zstd",
  description:
    "A sandbox's disk and what belongs to it, with checksums, as a tar archive compressed with zstd. A connection that " +
    "ends before the archive does is broken, never closed in order.",
} as const satisfies Content

/** A file of a guest. */
export const file = {
  mediaType: "application/octet-stream",
  description:
    "A file's bytes. A connection that ends before the file does is broken, never closed in order.",
} as const satisfies Content

/** What the server counts and measures. */
export const metrics = {
  mediaType: "text/plain; version=0.0.4; charset=utf-8",
  description: "The server's metrics in the text format of Prometheus.",
} as const satisfies Content

/** What a process prints, and how it ends. */
export const processEvents = {
  mediaType: "text/event-stream",
  description:
    "Server-sent events, with comments as a heartbeat every 15 seconds. `stdout` and `stderr`: output, as " +
    '`{"base64": "…"}`; `skipped`: `{"bytes": 5}`, so many bytes were overwritten before this client took them. Each has ' +
    "an `id`, the offset at which to go on after it. The last event is `exit` with the `exitCode` and the `signal` of " +
    "which one is null; `replayed`, where the output was not followed and the process still runs; or `error`, with an " +
    "ErrorBody. A connection that ends without one of them broke off.",
} as const satisfies Content

/** What a process reads. */
export const processInput = {
  mediaType: "application/octet-stream",
  description: "The bytes for the process's standard input.",
} as const satisfies Content

/** What is in a directory of a guest. */
export const tar = {
  mediaType: "application/x-tar",
  description:
    "A tar archive with paths below the directory: files, directories, symbolic and hard links, with extended headers of " +
    "pax. A connection that ends before the archive does is broken, never closed in order.",
} as const satisfies Content

/** What happens in a directory of a guest. */
export const watchEvents = {
  mediaType: "text/event-stream",
  description:
    "Server-sent events: `watching` once the watch is in force, then one for each thing that happens, with its JSON as " +
    "data, in which `type` repeats the event's name. `create`, `change` and `delete` have an absolute `path`, `rename` " +
    "has `path` and `to`. `overflow` says that events were lost, since they came faster than they were taken. `end` " +
    "comes when the directory itself is gone, `error` with an ErrorBody when the watch failed. Comments are a heartbeat.",
} as const satisfies Content
