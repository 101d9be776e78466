import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client"

/** A counter that is told apart by labels, each of which has few values. */
interface LabelledCounter<Labels extends Record<string, string>> {
  inc(labels: Labels, value?: number): void
}

/** What the server counts and measures, for Prometheus. Each server has its own; nothing is global. */
export class Metrics {
  readonly #registry = new Registry()
  readonly #refreshers: (() => void | Promise<void>)[] = []

  /**
   * Snapshots taken: `layer` sealed a layer, `name` is another name for one as nothing had changed, `machine` holds memory
   * and processes too.
   */
  readonly snapshots = this.#labelledCounter("snapshots_total", "Snapshots taken, by what they cost.", {
    kind: ["layer", "name", "machine"],
  })
  /** The host's part of a snapshot, in seconds. */
  readonly snapshotSeconds = this.#histogram(
    "snapshot_duration_seconds",
    "How long the host's part of a snapshot took.",
    [0.0005, 0.001, 0.0015, 0.002, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5],
  )
  /** Commands by how they ended: `ok` ran to their end, whatever their exit code. */
  readonly commands = this.#labelledCounter("commands_total", "Commands, by how they ended.", {
    outcome: ["ok", "timeout", "interrupted", "aborted", "failed"],
  })
  /** How long guests stood still for snapshots of the whole machine, in seconds. */
  readonly pauseSeconds = this.#histogram(
    "machine_snapshot_pause_seconds",
    "How long a guest stood still for a snapshot of the whole machine.",
    [0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 1],
  )
  /** Pauses by why they came, and resumes by what the machine started from. */
  readonly pauses = this.#labelledCounter("pauses_total", "Sandboxes that were paused, by why.", {
    reason: ["request", "idle"],
  })
  readonly resumes = this.#labelledCounter(
    "resumes_total",
    "Paused sandboxes that went on, by what from; `disk`: the memory was damaged.",
    { from: ["memory", "disk"] },
  )
  readonly restores = this.#counter("restores_total", "Restores that succeeded.")
  readonly degradedRestores = this.#counter(
    "degraded_restores_total",
    "Restores that brought back the files of a snapshot of the whole machine, and not its memory.",
  )
  /** Sandboxes that were made of others. */
  readonly forks = this.#counter("forks_total", "Sandboxes made as forks of others.")

  /** Merges of layers, to keep chains short (`depth`) or to give back disk (`reclaim`). */
  readonly compactions = this.#labelledCounter(
    "compactions_total",
    "Merges of layers, by why and how they ended.",
    {
      reason: ["depth", "reclaim"],
      outcome: ["done", "obsolete", "failed"],
    },
  )
  readonly compactionSeconds = this.#histogram(
    "compaction_duration_seconds",
    "How long a merge of layers took.",
    [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60],
  )
  readonly compactionBytes = this.#counter(
    "compaction_written_bytes_total",
    "Bytes that merges of layers have written.",
  )
  readonly compactionsWaiting = this.#gauge(
    "compactions_waiting",
    "Merges of layers that wait for their turn.",
  )

  readonly layers = this.#gauge("layers", "Layers on the disk.")
  readonly layerBytes = this.#gauge("layer_bytes", "Bytes that the layers take on the disk.")
  readonly damagedLayers = this.#gauge("damaged_layers", "Layers that were found damaged.")
  readonly memories = this.#gauge("memories", "Memories of machines on the disk.")
  readonly memoryBytes = this.#gauge("memory_bytes", "Bytes that memories of machines take on the disk.")
  readonly damagedMemories = this.#gauge("damaged_memories", "Memories that were found damaged.")
  readonly sandboxes = this.#gauge("sandboxes", "Sandboxes that exist.")
  readonly memoryBudget = this.#gauge(
    "memory_budget_bytes",
    "Memory that all virtual machines may have together.",
  )
  readonly memoryCommitted = this.#gauge(
    "memory_committed_bytes",
    "Memory that virtual machines were admitted with: what they may come to take, not what they take.",
  )
  readonly pausedSandboxes = this.#gauge("paused_sandboxes", "Sandboxes that are paused.")
  readonly machines = this.#gauge("machines", "Virtual machines that run.")

  /** Machines that were started: from the `pool` of those that were ready, or cloned from their `template`. */
  readonly machineStarts = this.#labelledCounter("machine_starts_total", "Machines started, by what from.", {
    from: ["pool", "template"],
  })
  readonly warmMachines = this.#gauge("warm_machines", "Machines that are ready to be used.")

  /** Has this called before each reading, to set gauges that are not kept up to date. */
  refreshBy(refresh: () => void | Promise<void>): void {
    this.#refreshers.push(refresh)
  }

  /** Adds what Node knows of its process: memory, processor time, event loop, garbage collection. */
  includeProcess(): void {
    collectDefaultMetrics({ register: this.#registry })
  }

  /** All of them in the text format of Prometheus. */
  async text(): Promise<string> {
    for (const refresh of this.#refreshers) await refresh()
    return this.#registry.metrics()
  }

  #counter(name: string, help: string): Counter {
    return new Counter({ name: prefixed(name), help, registers: [this.#registry] })
  }

  /** Every combination of the labels is there from the start, as 0: a rate of what was never seen is no gap. */
  #labelledCounter<const Values extends Record<string, readonly string[]>>(
    name: string,
    help: string,
    values: Values,
  ): LabelledCounter<{ [Label in keyof Values]: Values[Label][number] }> {
    const labelNames = Object.keys(values)
    const counter = new Counter({ name: prefixed(name), help, labelNames, registers: [this.#registry] })
    for (const labels of combinations(values)) counter.inc(labels, 0)
    return counter
  }

  #gauge(name: string, help: string): Gauge {
    return new Gauge({ name: prefixed(name), help, registers: [this.#registry] })
  }

  #histogram(name: string, help: string, buckets: number[]): Histogram {
    return new Histogram({ name: prefixed(name), help, buckets, registers: [this.#registry] })
  }
}

const prefixed = (name: string) => `opensandbox_${name}`

/** Every way to give each label one of its values. */
function combinations(values: Record<string, readonly string[]>): Record<string, string>[] {
  return Object.entries(values).reduce<Record<string, string>[]>(
    (partial, [label, choices]) =>
      partial.flatMap((labels) => choices.map((choice) => ({ ...labels, [label]: choice }))),
    [{}],
  )
}
