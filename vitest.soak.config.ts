import { defineConfig } from "vitest/config"
import { soakSizes } from "./tests/support/sizes.js"
import base from "./vitest.config.js"

/** The tests that could go on for ever, for as long as is useful: some hours. */
export default defineConfig({
  test: {
    ...base.test,
    include: [
      "tests/chaos/disk-full-injection.test.ts",
      "tests/chaos/fault-injection.test.ts",
      "tests/chaos/kill-server.test.ts",
      "tests/e2e/large-files.test.ts",
      "tests/e2e/many-snapshots.test.ts",
      "tests/property/time-travel.test.ts",
    ],
    provide: { sizes: soakSizes },
  },
})
