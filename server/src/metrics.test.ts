import { expect, expectTypeOf, it } from "vitest"
import { Metrics } from "./metrics.js"

/** The value of one line of the text. */
const valueOf = (text: string, line: string) =>
  text
    .split("\n")
    .find((each) => each.startsWith(`${line} `))
    ?.slice(line.length + 1)

it("tells what was counted, by labels, and what never happened as 0", async () => {
  const metrics = new Metrics()
  metrics.snapshots.inc({ kind: "layer" })
  metrics.compactions.inc({ reason: "depth", outcome: "done" }, 2)
  metrics.compactionBytes.inc(4096)
  metrics.compactionsWaiting.set(3)

  const text = await metrics.text()
  expect(valueOf(text, 'opensandbox_snapshots_total{kind="layer"}')).toBe("1")
  expect(valueOf(text, 'opensandbox_snapshots_total{kind="name"}')).toBe("0")
  expect(valueOf(text, 'opensandbox_compactions_total{reason="depth",outcome="done"}')).toBe("2")
  expect(valueOf(text, 'opensandbox_compactions_total{reason="reclaim",outcome="failed"}')).toBe("0")
  expect(valueOf(text, "opensandbox_compaction_written_bytes_total")).toBe("4096")
  expect(valueOf(text, "opensandbox_compactions_waiting")).toBe("3")
})

it("sorts times into buckets of seconds", async () => {
  const metrics = new Metrics()
  metrics.snapshotSeconds.observe(0.0012)

  const text = await metrics.text()
  expect(valueOf(text, 'opensandbox_snapshot_duration_seconds_bucket{le="0.001"}')).toBe("0")
  expect(valueOf(text, 'opensandbox_snapshot_duration_seconds_bucket{le="0.0015"}')).toBe("1")
  expect(valueOf(text, "opensandbox_snapshot_duration_seconds_count")).toBe("1")
})

it("has gauges set before each reading", async () => {
  const metrics = new Metrics()
  let layers = 1
  metrics.refreshBy(async () => {
    await Promise.resolve()
    metrics.layers.set(layers)
  })

  expect(valueOf(await metrics.text(), "opensandbox_layers")).toBe("1")
  layers = 2
  expect(valueOf(await metrics.text(), "opensandbox_layers")).toBe("2")
})

it("says of each what it is, under the server's name", async () => {
  const text = await new Metrics().text()
  const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => ({ name, type }))

  expect(types).not.toEqual([])
  for (const { name = "", type } of types) {
    expect(name).toMatch(/^opensandbox_/)
    expect(name.endsWith("_total")).toBe(type === "counter")
    expect(text).toMatch(new RegExp(`^# HELP ${name} [A-Z].*\\.$`, "m"))
  }
})

it("shares nothing with another server's", async () => {
  new Metrics().forks.inc()

  expect(valueOf(await new Metrics().text(), "opensandbox_forks_total")).toBe("0")
})

it("adds the process's own on request", async () => {
  const metrics = new Metrics()
  metrics.includeProcess()

  expect(await metrics.text()).toMatch(/^process_resident_memory_bytes \d+$/m)
})

it("knows its labels' values", () => {
  expectTypeOf<Parameters<Metrics["commands"]["inc"]>[0]>().toEqualTypeOf<{
    readonly outcome: "ok" | "timeout" | "interrupted" | "aborted" | "failed"
  }>()
})
