import { copyFile, rename, rm, truncate } from "node:fs/promises"
import { join } from "node:path"
import type { Sandbox } from "opensandbox"
import { afterAll, beforeAll, expect, test } from "vitest"
import { flipBit } from "../support/flip-bit.js"
import { eventually } from "../support/eventually.js"
import { matching } from "../support/matchers.js"
import { memoryFile, memoryOf } from "../support/recorded-memories.js"
import { failed, succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"

let server: TestServer

beforeAll(async () => {
  server = await TestServer.start()
}, serverStartMs)

afterAll(() => server.dispose())

/** A sandbox with three snapshots of the whole machine, each of which rests on the one before. */
async function sandboxWithMemories(): Promise<Sandbox> {
  const sandbox = await server.create()
  for (const label of ["one", "two", "three"]) {
    succeeded(await sandbox.run(`echo ${label} | tee file > /dev/shm/file`))
    succeeded(await sandbox.snapshot(label, { memory: true }))
  }
  return sandbox
}

/** What the files say, and the memory if it is there. */
async function contents(sandbox: Sandbox): Promise<string> {
  const command = "cat file; cat /dev/shm/file 2>/dev/null || echo lost"
  return succeeded(await sandbox.run(command, { snapshot: false })).stdout
}

async function degraded(name: string): Promise<(string | null)[]> {
  const { snapshots } = succeeded(await server.sandbox(name).snapshots())
  return snapshots.filter((snapshot) => snapshot.degraded).map(({ label }) => label)
}

function fileOf(name: string, label: string): string {
  return memoryFile(server.dataDirectory, memoryOf(server.dataDirectory, name, label))
}

test.each([
  ["truncated", (path: string) => truncate(path, 100_000)],
  ["emptied", (path: string) => truncate(path, 0)],
  ["changed by one bit", flipBit],
  ["deleted", (path: string) => rm(path)],
])(
  "where a memory is %s, a restore of what rests on it brings the files back, and says that this is all",
  async (_, damage) => {
    const sandbox = await sandboxWithMemories()
    await damage(fileOf(sandbox.name, "two"))

    const restored = succeeded(await sandbox.restore("three"))
    expect(restored.degraded).toEqual(matching(/memory/))
    expect(await contents(sandbox)).toBe("three\nlost\n")
    expect(await degraded(sandbox.name)).toEqual(["two", "three"])
    expect(failed(await sandbox.fork("fork", { snapshot: "three", memory: true })).code).toBe("damaged")
    expect(succeeded(await server.client().list()).vms).toHaveLength(1)

    expect(succeeded(await sandbox.restore("one")).degraded).toBeUndefined()
    expect(await contents(sandbox)).toBe("one\none\n")
    // What comes after rests on what is sound.
    succeeded(await sandbox.snapshot("four", { memory: true }))
    expect(succeeded(await sandbox.restore("four")).degraded).toBeUndefined()
    expect(await contents(sandbox)).toBe("one\none\n")
    succeeded(await sandbox.destroy())
  },
)

test("a memory that went while no server ran is reported by its start, until it is put back", async () => {
  const { name } = await sandboxWithMemories()
  const file = fileOf(name, "one")
  const backup = join(server.dataDirectory, "backup")
  await server.stop()
  await copyFile(file, backup)
  await rm(file)
  await server.restart()
  expect(await degraded(name)).toEqual(["one", "two", "three"])
  expect(server.output).toContain("a memory is damaged")

  await server.stop()
  await rename(backup, file)
  await server.restart()
  expect(await degraded(name)).toEqual([])
  expect(succeeded(await server.sandbox(name).restore("three")).degraded).toBeUndefined()
  expect(await contents(server.sandbox(name))).toBe("three\nthree\n")
  succeeded(await server.sandbox(name).destroy())
})

test("memories are compressed in the background, and bring back the same", async () => {
  const sandbox = await sandboxWithMemories()
  const bytes = async () => succeeded(await sandbox.retention()).retention.bytes
  const { snapshots } = succeeded(await sandbox.snapshots())
  const written = snapshots.reduce((sum, snapshot) => sum + snapshot.bytes, 0)
  await eventually("the memories to be compressed", 30_000, async () =>
    (await bytes()) < written ? true : undefined,
  )
  for (const label of ["three", "two", "one"]) {
    expect(succeeded(await sandbox.restore(label)).degraded).toBeUndefined()
    expect(await contents(sandbox)).toBe(`${label}\n${label}\n`)
  }
  succeeded(await sandbox.destroy())
})
