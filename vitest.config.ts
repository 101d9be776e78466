import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["{sdk,vm,image,server,cli,bench,tests}/**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/dist/**"],
    pool: "forks",
    // Files that start machines take a core each.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
})
