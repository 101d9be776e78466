import { cp, mkdtemp, readdir, rm, symlink } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { defaultCacheDirectory } from "@opensandbox/image"
import { afterAll, beforeAll, expect, test } from "vitest"
import { succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"

/** A cache of its own, with an image and without templates. */
let cache: string
let server: TestServer

beforeAll(async () => {
  cache = await mkdtemp(join(tmpdir(), "cache-"))
  await symlink(join(defaultCacheDirectory(), "images"), join(cache, "images"))
  // Where nobody has found out yet which accelerator works, this server does.
  await cp(join(defaultCacheDirectory(), "accelerator.json"), join(cache, "accelerator.json")).catch(
    () => undefined,
  )
  server = await TestServer.start({ env: { OPENSANDBOX_CACHE_DIR: cache } })
}, serverStartMs)

afterAll(async () => {
  await server.dispose()
  await rm(cache, { recursive: true, force: true })
})

test("a template that is gone from the cache is made anew", { timeout: serverStartMs }, async () => {
  const before = await server.create()
  await rm(join(cache, "templates"), { recursive: true })
  // The machine has the template's memory open, and goes on.
  expect(succeeded(await before.run("echo still here")).stdout).toBe("still here\n")
  const after = await server.create()
  expect(succeeded(await after.run("echo made anew")).stdout).toBe("made anew\n")
  expect(await readdir(join(cache, "templates"))).toHaveLength(1)
  succeeded(await before.restore("initial"))
  expect(succeeded(await before.run("echo so was this")).stdout).toBe("so was this\n")
})
