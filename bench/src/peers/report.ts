import { markdownTable, rounded } from "../markdown-table.js"
import { summarize } from "../measurement.js"
import type { PeerResult, PeerSkipped } from "./comparison.js"
import { stepKinds } from "./trace.js"

/** The peers side by side, as a table in Markdown and what has to be known to read it. */
export function peerTable(results: readonly (PeerResult | PeerSkipped)[]): string {
  const measured = results.filter((result) => "snapshots" in result)
  const header = [
    "p50 / p90 / max, in ms",
    ...stepKinds.map((kind) => `${kind} (n = ${countOf(measured[0], kind)})`),
    `restore (n = ${measured[0]?.restores.length ?? 0})`,
    "with first command",
    "disk",
  ]
  const notes = results.map(
    (result) => `- **${result.name}**: ${"unavailable" in result ? result.unavailable : result.about}`,
  )
  return `${markdownTable(header, results.map(row))}\n\n${notes.join("\n")}`
}

function countOf(result: PeerResult | undefined, kind: string): number {
  return result?.snapshots.filter((snapshot) => snapshot.kind === kind).length ?? 0
}

function row(result: PeerResult | PeerSkipped): string[] {
  if ("unavailable" in result) return [result.name, ...stepKinds.map(() => ""), "", "", "not measured"]
  const { name, snapshots, restores, bytes } = result
  return [
    name,
    ...stepKinds.map((kind) => distribution(snapshots.filter((snapshot) => snapshot.kind === kind))),
    distribution(restores),
    distribution(restores.map(({ withFirstCommand }) => ({ milliseconds: withFirstCommand }))),
    `${rounded(bytes / 1e6)} MB`,
  ]
}

function distribution(times: readonly { readonly milliseconds: number }[]): string {
  const { p50, p90, max } = summarize(times.map(({ milliseconds }) => milliseconds))
  return [p50, p90, max].map(rounded).join(" / ")
}
