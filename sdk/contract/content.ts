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
  description: "The file's bytes.",
} as const satisfies Content

/** What the server counts and measures. */
export const metrics = {
  mediaType: "text/plain; version=0.0.4; charset=utf-8",
  description: "The server's metrics in the text format of Prometheus.",
} as const satisfies Content
