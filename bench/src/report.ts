import type { Host } from "./host.js"
import { markdownTable, rounded } from "./markdown-table.js"
import { holds, summarize, type Measurement } from "./measurement.js"
import { writeResult } from "./result-file.js"

/** Writes the measurements with all their values into `bench/results/`. @returns the file's path. */
export function writeMeasurements(
  date: Date,
  host: Host,
  measurements: readonly Measurement[],
): Promise<string> {
  return writeResult("", date, {
    host,
    measurements: measurements.map(({ values, ...measurement }) => ({
      ...measurement,
      holds: holds({ values, ...measurement }),
      ...summarize(values),
      values,
    })),
  })
}

/** The measurements for people, as a table in Markdown. */
export function table(measurements: readonly Measurement[]): string {
  return markdownTable(
    ["what", "n", "min", "p50", "p90", "max", "target (p50)", "holds"],
    measurements.map(row),
  )
}

function row(measurement: Measurement): string[] {
  const { what, unit, values } = measurement
  const { min, p50, p90, max } = summarize(values)
  const amounts = [min, p50, p90, max].map((value) => `${rounded(value)} ${unit}`)
  const kept = holds(measurement)
  const verdict = kept === undefined ? "" : kept ? "yes" : "NO"
  return [what, String(values.length), ...amounts, bound(measurement), verdict]
}

function bound({ unit, target, least }: Measurement): string {
  if (least !== undefined) return `>= ${least} ${unit}`
  return target === undefined ? "" : `${target} ${unit}`
}
