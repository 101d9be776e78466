import type { Client } from "opensandbox"
import type { Measurement } from "./measurement.js"
import type { ServerMetrics } from "./server-metrics.js"
import type { Workplace } from "./workplace.js"

/** What a benchmark works with. */
export interface Bench {
  /** Speaks to a server that runs for the benchmarks alone. */
  readonly client: Client
  /** That server's data directory. */
  readonly dataDirectory: string
  /** What that server counts. */
  readonly metrics: ServerMetrics
  /** Where a benchmark may start servers of its own. */
  readonly workplace: Workplace
}

/** Measures one aspect. It leaves no sandbox behind unless it fails, which ends the whole run. */
export interface Benchmark {
  readonly title: string
  readonly measure: (bench: Bench) => Promise<Measurement[]>
}
