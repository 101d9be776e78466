import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Host } from "./host.js"
import { holds, summarize, type Measurement } from "./measurement.js"

const results = fileURLToPath(new URL("../results/", import.meta.url))

/** Writes the result into `bench/results/`. @returns the file's path. */
export async function writeResult(
  date: Date,
  host: Host,
  measurements: readonly Measurement[],
): Promise<string> {
  await mkdir(results, { recursive: true })
  const file = join(results, `${date.toISOString().replaceAll(":", "-")}.json`)
  const result = {
    date: date.toISOString(),
    host,
    measurements: measurements.map(({ values, ...measurement }) => ({
      ...measurement,
      holds: holds({ values, ...measurement }),
      ...summarize(values),
      values,
    })),
  }
  await writeFile(file, `${JSON.stringify(result, undefined, 2)}\n`)
  return file
}

/** The measurements for people, as a table in Markdown. */
export function table(measurements: readonly Measurement[]): string {
  const header = ["what", "n", "min", "p50", "p90", "max", "target (p50)", "holds"]
  const rows = [header, ...measurements.map(row)]
  const widths = header.map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)))
  const line = (cells: string[]) =>
    `| ${cells.map((cell, column) => pad(cell, column, widths[column] ?? 0)).join(" | ")} |`
  const rule = widths.map((width, column) => (column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`))
  return [line(header), line(rule), ...rows.slice(1).map(line)].join("\n")
}

function row(measurement: Measurement): string[] {
  const { what, unit, values, target } = measurement
  const { min, p50, p90, max } = summarize(values)
  const amounts = [min, p50, p90, max].map((value) => `${rounded(value)} ${unit}`)
  const kept = holds(measurement)
  const verdict = kept === undefined ? "" : kept ? "yes" : "NO"
  return [what, String(values.length), ...amounts, target === undefined ? "" : `${target} ${unit}`, verdict]
}

function pad(cell: string, column: number, width: number): string {
  return column === 0 ? cell.padEnd(width) : cell.padStart(width)
}

/** Three digits say as much as these measurements can. */
function rounded(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2)
}
