// @ts-check
// Measures sandboxes against other ways to keep snapshots; docs/benchmarks.md says what each number means.
// --steps N: how many commands, 200 when left out.
import { parseArgs } from "node:util"
import { setUp } from "./setup.mjs"

const { values } = parseArgs({ options: { steps: { type: "string", default: "200" } } })
const steps = Number(values.steps)
if (!Number.isInteger(steps) || steps < 10) {
  console.error("--steps takes a whole number from 10 up.")
  process.exit(1)
}
await setUp()
// Exists only now that TypeScript has been compiled.
const { comparePeers } = await import("../bench/dist/index.js")
await comparePeers(steps)
