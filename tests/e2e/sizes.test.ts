import { availableParallelism } from "node:os"
import type { CreateOptions, Sandbox } from "opensandbox"
import { afterAll, beforeAll, expect, test } from "vitest"
import { matching } from "../support/matchers.js"
import { failed, succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"

let server: TestServer

/** The first machine of a size boots the guest. */
const firstOfItsSizeMs = 180_000

/** As many as make a difference, on this host. */
const cpus = Math.min(2, availableParallelism())

beforeAll(async () => {
  server = await TestServer.start()
}, serverStartMs)

afterAll(() => server.dispose())

async function create(name: string, options: CreateOptions): Promise<Sandbox> {
  return succeeded(await server.client().create(name, options)).sandbox
}

/** What a command in the guest prints. */
async function output(sandbox: Sandbox, command: string): Promise<string> {
  return succeeded(await sandbox.run(command)).stdout.trim()
}

async function shown(sandbox: Sandbox): Promise<{ cpus: string; memoryMiB: number; diskGiB: number }> {
  const [processors = "", kibibytes, blocks] = (
    await output(
      sandbox,
      "nproc; awk '/MemTotal/ { print $2 }' /proc/meminfo; df --output=size -k / | tail -1",
    )
  ).split("\n")
  return {
    cpus: processors,
    memoryMiB: Number(kibibytes) / 1024,
    diskGiB: Number(blocks) / 1024 ** 2,
  }
}

test(
  "a sandbox has the processors, the memory and the disk that it was made with, and so do those made of it",
  { timeout: firstOfItsSizeMs },
  async () => {
    const size = { cpus, memory_mb: 768, disk_gb: 25 }
    const sandbox = await create("sized", size)
    expect(succeeded(await sandbox.info()).vm).toMatchObject(size)
    const told = await shown(sandbox)
    expect(told.cpus).toBe(String(cpus))
    expect(told.memoryMiB).toBeGreaterThan(600)
    expect(told.memoryMiB).toBeLessThan(768)
    expect(told.diskGiB).toBeGreaterThan(23)
    expect(told.diskGiB).toBeLessThan(25)

    succeeded(await sandbox.run("head -c 100000 /dev/urandom | tee data | sha256sum > sum"))
    const snapshot = succeeded(await sandbox.snapshot("written"))
    succeeded(await sandbox.run("rm data"))
    succeeded(await sandbox.restore(snapshot.snapshot.snapshot_name))
    expect(await shown(sandbox)).toEqual(told)
    expect(await output(sandbox, "sha256sum < data | diff - sum && echo whole")).toBe("whole")

    succeeded(await sandbox.fork("sized-fork", { snapshot: "initial" }))
    const fork = server.sandbox("sized-fork")
    expect(await shown(fork)).toEqual(told)
    expect(succeeded(await fork.info()).vm).toMatchObject(size)
    expect(succeeded(await sandbox.diff("initial")).changes.map(({ path }) => path)).toContain(
      "/workspace/data",
    )

    const { archive } = succeeded(await sandbox.export({ image: false }))
    const imported = succeeded(await server.client().import("sized-import", archive)).sandbox
    expect(succeeded(await imported.info()).vm).toMatchObject(size)
    expect(await shown(imported)).toEqual(told)
    expect(await output(imported, "sha256sum < data | diff - sum && echo whole")).toBe("whole")

    for (const each of [sandbox, fork, imported]) succeeded(await each.destroy())
  },
)

test("a disk that was enlarged holds more than the image's, and still does after a restart", async () => {
  const sandbox = await create("large", { disk_gb: 1024 })
  // Far beyond the end of the blank disk.
  expect(await output(sandbox, "fallocate -l 200G hole && stat -c %s hole")).toBe(String(200 * 1024 ** 3))
  succeeded(await sandbox.run("echo end | dd of=hole bs=1M seek=204799 conv=notrunc status=none"))
  await server.restart()
  const again = server.sandbox("large")
  expect(await output(again, "dd if=hole bs=1M skip=204799 status=none | head -c 3")).toBe("end")
  expect(succeeded(await again.info()).vm.disk_gb).toBe(1024)
  succeeded(await again.destroy())
})

test("a snapshot of an enlarged disk on which nothing changed takes no room", async () => {
  const sandbox = await create("still", { disk_gb: 11 })
  succeeded(await sandbox.run("true"))
  const { snapshots } = succeeded(await sandbox.snapshots())
  expect(snapshots.map(({ bytes }) => bytes)).toEqual([0, 0])
  succeeded(await sandbox.destroy())
})

test("says which sizes there are not", async () => {
  const refused = async (options: CreateOptions) => failed(await server.client().create("refused", options))
  expect(await refused({ cpus: 64 })).toMatchObject({
    code: "invalid_request",
    error: matching(/processors/),
  })
  expect(await refused({ memory_mb: 1024 * 1024 })).toMatchObject({
    code: "invalid_request",
    error: matching(/MiB/),
  })
  expect(await refused({ memory_mb: 600 })).toMatchObject({
    code: "invalid_request",
    error: matching(/multiple of 256/),
  })
  expect(await refused({ disk_gb: 1 })).toMatchObject({
    code: "invalid_request",
    error: matching(/smallest disk/),
  })
  expect(await refused({ disk_gb: 4096 })).toMatchObject({ code: "invalid_request", error: matching(/1024/) })
})
