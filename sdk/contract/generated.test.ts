import { readFile } from "node:fs/promises"
import { expect, test } from "vitest"
import { contractFiles } from "../../scripts/generate-contract.mjs"
import manifest from "../../package.json" with { type: "json" }
import { openApiDocument } from "./index.js"

test("the committed openapi.json and wire.ts are what the schemas generate (npm run generate)", async () => {
  for (const [name, text] of Object.entries(await contractFiles(openApiDocument()))) {
    expect(await readFile(new URL(name, import.meta.url), "utf8"), name).toBe(text)
  }
})

test("the document carries the package's version", () => {
  expect(openApiDocument().info["version"]).toBe(manifest.version)
})
