import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, expect, it } from "vitest"
import { openKeyring } from "./keys/open-keyring.js"
import { listen } from "./net/listen.js"
import { startServer } from "./server.js"
import { makeDataDirectory } from "./store/data-directory.js"
import { DataDirectoryLock } from "./store/data-directory-lock.js"

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "opensandbox-server-"))
})
afterEach(() => rm(directory, { recursive: true }))

const start = () =>
  startServer({
    host: "127.0.0.1",
    domain: "localhost",
    port: 0,
    dataDirectory: directory,
    cacheDirectory: join(directory, "cache"),
    imageDirectory: join(directory, "no-image"),
    logLevel: "silent",
    maxSandboxes: 1,
    allowedOrigins: [],
    poolSize: 0,
    maxOutputBytes: 1024,
    retention: { keepLast: null, keepDays: null, maxBytes: null, quotaBytes: null },
    idleTimeout: null,
    durability: "process",
  })

it("does not start beside another server of its data directory", async () => {
  const lock = DataDirectoryLock.acquire(directory)

  await expect(start()).rejects.toThrow("Another OpenSandbox server")
  lock.release()
})

it("says what to do about a data directory that cannot be", async () => {
  await writeFile(join(directory, "file"), "")
  await expect(makeDataDirectory(join(directory, "file", "data"))).rejects.toThrow(
    /ENOTDIR.*choose another one/,
  )
})

it("says what to do about a port that is taken", async () => {
  const first = createServer()
  const port = await listen(first, { host: "127.0.0.1", port: 0 })
  await expect(listen(createServer(), { host: "127.0.0.1", port })).rejects.toThrow(
    /is in use.*choose another port/,
  )
  first.close()
})

it("leaves nothing held, and no key that nobody saw, when it cannot start", async () => {
  await expect(start()).rejects.toThrow()

  DataDirectoryLock.acquire(directory).release()
  const keyring = await openKeyring(directory)
  expect(await keyring.list()).toEqual([])
  await keyring.close()
})
