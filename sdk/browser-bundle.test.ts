import { fileURLToPath } from "node:url"
import { createContext, runInContext } from "node:vm"
import { gzipSync } from "node:zlib"
import { build, type BuildOptions } from "esbuild"
import { expect, test } from "vitest"
import type * as Sdk from "./index.js"
import { sendJson, startTestServer } from "./testing/test-server.js"

/** The most that the SDK may be in a web page, minified and compressed with gzip, in bytes. */
const maxBytes = 15_000

const bundle = (options: Pick<BuildOptions, "format" | "globalName" | "minify" | "splitting">) =>
  build({
    entryPoints: [fileURLToPath(new URL("index.ts", import.meta.url))],
    bundle: true,
    write: false,
    outdir: "out",
    platform: "browser",
    target: "es2022",
    // What works with local files loads them when it is called, where there are any.
    external: ["node:*"],
    logLevel: "silent",
    metafile: true,
    ...options,
  } as const)

test("the SDK is small in a web page, and loads nothing of Node there", async () => {
  const { outputFiles, metafile } = await bundle({ format: "esm", splitting: true, minify: true })
  const loaded = new Set<string>()
  const load = (path: string): void => {
    loaded.add(path)
    for (const { kind, path: imported } of metafile.outputs[path]?.imports ?? []) {
      if (kind === "import-statement" && !loaded.has(imported)) load(imported)
    }
  }
  load("out/index.js")
  expect([...loaded].filter((path) => path.startsWith("node:"))).toEqual([])

  const chunks = outputFiles.filter(({ path }) => [...loaded].some((chunk) => path.endsWith(`/${chunk}`)))
  const bytes = chunks.reduce((sum, { contents }) => sum + gzipSync(contents, { level: 9 }).length, 0)
  console.log(`The SDK is ${bytes} of at most ${maxBytes} bytes, minified and compressed`)
  expect(bytes).toBeGreaterThan(0)
  expect(bytes).toBeLessThan(maxBytes)
})

test("the SDK runs where there is nothing but what the web has", async () => {
  await using server = await startTestServer((_request, response) => {
    sendJson(response, 200, { vms: [] })
  })
  const {
    AbortController,
    AbortSignal,
    Blob,
    ReadableStream,
    Response,
    TextDecoder,
    TextEncoder,
    TransformStream,
  } = globalThis
  const web = {
    AbortController,
    AbortSignal,
    Blob,
    ReadableStream,
    Response,
    TextDecoder,
    TextEncoder,
    TransformStream,
  }
  const context = createContext({ ...web, fetch, URL, setTimeout, clearTimeout })
  const { outputFiles } = await bundle({ format: "iife", globalName: "sdk" })
  const { Client } = runInContext(`${outputFiles[0]?.text ?? ""}; sdk`, context) as typeof Sdk
  expect(await new Client("ws_k", server.url).list()).toEqual({ success: true, vms: [] })
  expect(await new Client().list()).toMatchObject({ success: false, code: "unauthorized" })
})
