import type { Durability } from "@opensandbox/vm"

/** What a server is started with. */
export interface ServerConfig {
  /** The address to listen on. */
  host: string
  /** What the host names of sandboxes' ports end with, beside `localhost`; in lower case. */
  domain: string
  /** The TCP port; 0 stands for any free one. */
  port: number
  /** Where sandboxes, keys and the database are kept. Made if it is missing. */
  dataDirectory: string
  /** Where templates are kept, and what was found out about the host: all that can be made again. */
  cacheDirectory: string
  /** The image of new sandboxes; it is copied (linked, where possible) into the data directory. */
  imageDirectory: string
  /** The value of OPENSANDBOX_API_KEY, accepted as an admin key. */
  apiKey?: string
  /** One of pino's levels. Default `info`. */
  logLevel?: string
  /** How many sandboxes there may be at the same time. */
  maxSandboxes: number
  /** Memory that all machines may have together, in MiB. Default: four fifths of the host's. */
  memoryMiB?: number
  /** How many machines are kept ready for the sandboxes that start next; 0 for none. */
  poolSize: number
  /** Bytes of each output stream of a command that its result carries. */
  maxOutputBytes: number
  /** The origins whose web pages may use the API, as in `https://example.com`. */
  allowedOrigins: readonly string[]
  /** The limits of sandboxes that have none of their own. */
  retention: Retention
  /** Seconds without activity after which sandboxes are paused that have no timeout of their own; null for never. */
  idleTimeout: number | null
  durability: Durability
}

/** Which snapshots of a sandbox are kept, and how much disk it may take. Null is no limit. */
export interface Retention {
  /** How many of the newest snapshots are kept. */
  keepLast: number | null
  /** For how many days a snapshot is kept. */
  keepDays: number | null
  /** Bytes on disk above which the oldest snapshots are deleted. */
  maxBytes: number | null
  /** Bytes on disk at which commands fail before they run. */
  quotaBytes: number | null
}
