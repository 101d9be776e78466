import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import type { RunningServer, ServerConfig } from "@opensandbox/server"
import { afterEach, beforeEach, expect, test, vi } from "vitest"
import { runCli } from "../testing/run-cli.js"

let cache: string

const variables = [
  ...["API_KEY", "HOST", "PORT", "DATA_DIR", "MAX_SANDBOXES", "MAX_OUTPUT", "MEMORY_MB", "POOL_SIZE"],
  ...["ALLOW_ORIGIN", "KEEP_LAST", "KEEP_DAYS", "MAX_SIZE", "QUOTA", "DURABILITY"],
]

beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), "opensandbox-serve-"))
  await mkdir(join(cache, "images", "abc"), { recursive: true })
  await writeFile(join(cache, "images", "current"), "abc\n")
  await writeFile(join(cache, "images", "abc", "image.json"), "{}")
  vi.stubEnv("OPENSANDBOX_CACHE_DIR", cache)
  for (const name of variables) vi.stubEnv(`OPENSANDBOX_${name}`, undefined)
})

afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(cache, { recursive: true })
})

/** Runs `serve` with a server that is stopped by as many signals as soon as it runs. */
async function serve(args: string[], options: { server?: Partial<RunningServer>; signals?: number } = {}) {
  const configs: ServerConfig[] = []
  const exits: number[] = []
  let closed = 0
  let signal = (): void => undefined
  const result = await runCli(["serve", ...args], {
    onStopSignal: (listener) => {
      signal = listener
    },
    exitNow: (code) => exits.push(code),
    loadServer: () =>
      Promise.resolve({
        startServer: (config) => {
          configs.push(config)
          for (let sent = 0; sent < (options.signals ?? 1); sent += 1) signal()
          return Promise.resolve({
            url: "http://127.0.0.1:4000",
            accelerator: "kvm",
            close: () => {
              closed += 1
              return Promise.resolve()
            },
            ...options.server,
          })
        },
        openKeyring: () => Promise.reject(new Error("not in this test")),
      }),
  })
  return { ...result, configs, exits, closed }
}

test("serve prints one ready line, and closes and exits with 0 at a signal", async () => {
  const { exitCode, stdout, stderr, closed, exits } = await serve([])
  expect({ exitCode, stdout, stderr, closed, exits }).toEqual({
    exitCode: 0,
    stdout: "OpenSandbox is ready on http://127.0.0.1:4000 (kvm)\n",
    stderr: "",
    closed: 1,
    exits: [],
  })
})

test("a second signal ends the process at once with 1", async () => {
  expect((await serve([], { signals: 2 })).exits).toEqual([1])
})

test("serve prints a new admin key before the ready line", async () => {
  const { stdout } = await serve([], { server: { adminKey: "ws_new" } })
  expect(stdout.split("\n")).toEqual([
    expect.stringContaining("ws_new"),
    expect.stringContaining("OpenSandbox is ready on "),
    "",
  ])
})

test("serve warns of software emulation", async () => {
  const { stderr } = await serve([], { server: { accelerator: "tcg" } })
  expect(stderr).toMatch(/software emulation.*no isolation guarantee.*development only/)
})

test("options go before environment variables, and these before the defaults", async () => {
  vi.stubEnv("OPENSANDBOX_PORT", "4001")
  vi.stubEnv("OPENSANDBOX_HOST", "::1")
  vi.stubEnv("OPENSANDBOX_DATA_DIR", "elsewhere")
  vi.stubEnv("OPENSANDBOX_API_KEY", "ws_env")
  vi.stubEnv("OPENSANDBOX_MAX_SANDBOXES", "7")
  vi.stubEnv("OPENSANDBOX_POOL_SIZE", "0")
  vi.stubEnv("OPENSANDBOX_ALLOW_ORIGIN", "https://a.example, http://localhost:3000")
  vi.stubEnv("OPENSANDBOX_KEEP_LAST", "9")
  vi.stubEnv("OPENSANDBOX_KEEP_DAYS", "30")
  vi.stubEnv("OPENSANDBOX_MAX_SIZE", "500M")
  vi.stubEnv("OPENSANDBOX_QUOTA", "1G")
  vi.stubEnv("OPENSANDBOX_IDLE_TIMEOUT", "15m")
  vi.stubEnv("OPENSANDBOX_DURABILITY", "disk")
  const { configs } = await serve([
    "--port",
    "4100",
    "--memory-mb",
    "4096",
    "--max-output",
    "1024",
    "--quota",
    "1.5G",
    "--keep-last",
    "none",
  ])
  expect(configs).toEqual([
    {
      host: "::1",
      domain: "localhost",
      port: 4100,
      dataDirectory: resolve("elsewhere"),
      cacheDirectory: cache,
      imageDirectory: join(cache, "images", "abc"),
      apiKey: "ws_env",
      maxSandboxes: 7,
      memoryMiB: 4096,
      poolSize: 0,
      maxOutputBytes: 1024,
      allowedOrigins: ["https://a.example", "http://localhost:3000"],
      retention: { keepLast: null, keepDays: 30, maxBytes: 500_000_000, quotaBytes: 1_500_000_000 },
      idleTimeout: 900,
      durability: "disk",
    },
  ])
})

test("the defaults are loopback, port 4000, the user's data directory, no limits and process durability", async () => {
  vi.stubEnv("XDG_DATA_HOME", "/home/user/data")
  const { configs } = await serve([])
  expect(configs).toMatchObject([
    {
      host: "127.0.0.1",
      domain: "localhost",
      port: 4000,
      poolSize: 2,
      allowedOrigins: [],
      dataDirectory: "/home/user/data/opensandbox",
      retention: { keepLast: null, keepDays: null, maxBytes: null, quotaBytes: null },
      idleTimeout: null,
      durability: "process",
    },
  ])
  expect(configs[0]).not.toHaveProperty("apiKey")
})

test("each --allow-origin adds one", async () => {
  vi.stubEnv("OPENSANDBOX_ALLOW_ORIGIN", "https://not-these.example")
  const { configs } = await serve([
    "--allow-origin",
    "https://a.example",
    "--allow-origin=http://b.example:81",
  ])
  expect(configs).toMatchObject([{ allowedOrigins: ["https://a.example", "http://b.example:81"] }])
})

test.each([
  ["--port=65536"],
  ["--port=4e3"],
  ["--port=-1"],
  ["--port="],
  ["--host="],
  ["--domain=a..b"],
  ["--domain="],
  ["--data-dir="],
  ["--keep-last=0"],
  ["--keep-last=1.5"],
  ["--keep-days=0"],
  ["--keep-days=soon"],
  ["--max-size=10GiB"],
  ["--quota=0"],
  ["--quota="],
  ["--allow-origin=*"],
  ["--allow-origin=example.com"],
  ["--allow-origin=https://example.com/"],
  ["--allow-origin=null"],
  ["--durability=paper"],
  ["extra"],
])("%s is a wrong usage: exit code 2, and nothing is started", async (argument) => {
  const { exitCode, stderr, configs } = await serve([argument])
  expect(exitCode).toBe(2)
  expect(stderr).not.toBe("")
  expect(configs).toEqual([])
})

test.each([
  ["PORT", "http"],
  ["QUOTA", "much"],
  ["DURABILITY", "paper"],
])("an invalid %s in the environment is a wrong usage, too", async (variable, value) => {
  vi.stubEnv(`OPENSANDBOX_${variable}`, value)
  expect(await serve([])).toMatchObject({ exitCode: 2, configs: [] })
})

test("without an image serve says how to build one", async () => {
  await rm(join(cache, "images", "current"))
  const { exitCode, stderr } = await serve([])
  expect(exitCode).toBe(1)
  expect(stderr).toContain("npm run setup")
})

test("a server that cannot start is an error with its words and exit code 1", async () => {
  const { exitCode, stderr } = await runCli(["serve"], {
    loadServer: () =>
      Promise.resolve({
        startServer: () => Promise.reject(new Error("another server uses this data directory")),
        openKeyring: () => Promise.reject(new Error("not in this test")),
      }),
  })
  expect({ exitCode, stderr }).toEqual({
    exitCode: 1,
    stderr: "opensandbox: another server uses this data directory\n",
  })
})
