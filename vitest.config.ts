import { defineConfig } from "vitest/config"
import { shortSizes } from "./tests/support/sizes.js"

export default defineConfig({
  test: {
    include: ["{sdk,vm,image,server,cli,bench,tests}/**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/dist/**"],
    pool: "forks",
    // Files that start machines take a core each.
    maxWorkers: 2,
    maxConcurrency: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    provide: { sizes: shortSizes },
  },
})
