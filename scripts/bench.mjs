// @ts-check
// Measures how fast sandboxes are on this host; docs/benchmarks.md says what each number means.
import { setUp } from "./setup.mjs"

await setUp()
// Exists only now that TypeScript has been compiled.
const { runBenchmarks } = await import("../bench/dist/index.js")
await runBenchmarks()
