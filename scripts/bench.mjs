// @ts-check
// Measures how fast sandboxes are on this host; docs/benchmarks.md says what each number means.
// Arguments: the names of benchmarks; all of them when there are none.
import { setUp } from "./setup.mjs"

await setUp()
// Exists only now that TypeScript has been compiled.
const { runBenchmarks } = await import("../bench/dist/index.js")
await runBenchmarks(process.argv.slice(2))
