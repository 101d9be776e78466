import type { Retention, RetentionStatus, Sandbox } from "opensandbox"
import { afterAll, beforeAll, expect, test } from "vitest"
import { eventually } from "../support/eventually.js"
import { layerBytes } from "../support/layer-files.js"
import { anyNumber, matching } from "../support/matchers.js"
import { failed, succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"

const mebibyte = 1024 * 1024

/** How long it may take until the disk shows what was deleted. */
const backgroundMs = 40_000

let server: TestServer

beforeAll(async () => {
  server = await TestServer.start()
}, serverStartMs)

afterAll(() => server.dispose())

async function create(retention: Retention): Promise<Sandbox> {
  const sandbox = await server.create()
  succeeded(await sandbox.setRetention(retention))
  return sandbox
}

async function namesOf(sandbox: Sandbox): Promise<string[]> {
  return succeeded(await sandbox.snapshots()).snapshots.map((snapshot) => snapshot.snapshot_name)
}

/** The snapshots once there are no more than so many, as what is too much goes in the background. */
function eventuallyAtMost(count: number, sandbox: Sandbox): Promise<string[]> {
  return eventually(`no more than ${count} snapshots`, backgroundMs, async () => {
    const names = await namesOf(sandbox)
    return names.length <= count ? names : undefined
  })
}

async function statusOf(sandbox: Sandbox): Promise<RetentionStatus> {
  return succeeded(await sandbox.retention()).retention
}

/** Changes a file and answers the snapshot of it. */
async function write(sandbox: Sandbox, megabytes: number): Promise<string> {
  const command = `head -c ${megabytes}M /dev/urandom > file; sha256sum file > sum`
  return succeeded(await sandbox.run(command, 120)).snapshot
}

/** Goes back to a snapshot that `write` made and reads all of it. */
async function expectWhole(sandbox: Sandbox, snapshot: string): Promise<void> {
  succeeded(await sandbox.restore(snapshot))
  const { stdout } = succeeded(await sandbox.run("sha256sum -c sum", { timeout: 120, snapshot: false }))
  expect(stdout).toBe("file: OK\n")
}

test("a new sandbox has the limits that it was made with, and the server's where it has none", async () => {
  const retention = { keep_last: 3, keep_days: null }
  const { sandbox } = succeeded(await server.client().create("limited", { retention }))
  const status = {
    keep_last: 3,
    keep_days: null,
    max_bytes: null,
    quota_bytes: null,
    bytes: anyNumber,
    snapshots: 1,
  }
  expect(await statusOf(sandbox)).toEqual(status)
  const days = succeeded(await sandbox.setRetention({ keep_days: 0.5 })).retention
  expect(days).toEqual({ ...status, keep_last: null, keep_days: 0.5 })
  await server.restart()
  expect(await statusOf(server.sandbox("limited"))).toEqual(days)
  expect(failed(await server.sandbox("limited").setRetention({ keep_last: 0 })).code).toBe("invalid_request")
  expect(failed(await server.sandbox("no-such").retention()).code).toBe("not_found")
})

test("the newest snapshots stay, those with a label, and the first", async () => {
  const sandbox = await create({ keep_last: 2 })
  const first = await write(sandbox, 1)
  const { snapshot: labelled } = succeeded(await sandbox.snapshot("label"))
  const taken = [first]
  for (let count = 0; count < 5; count++) taken.push(await write(sandbox, 1))
  const kept = taken.slice(-2)
  expect(await eventuallyAtMost(4, sandbox)).toEqual(["initial", labelled.snapshot_name, ...kept])
  for (const snapshot of [...kept].reverse()) await expectWhole(sandbox, snapshot)
  await expectWhole(sandbox, "label")
  expect(await namesOf(sandbox)).toEqual(["initial", labelled.snapshot_name])
})

test("a limit that is set deletes at once what is beyond it", async () => {
  const sandbox = await server.create()
  const taken: string[] = []
  for (let count = 0; count < 4; count++) taken.push(await write(sandbox, 1))
  expect(succeeded(await sandbox.setRetention({ keep_last: 1 })).retention.snapshots).toBe(2)
  expect(await namesOf(sandbox)).toEqual(["initial", taken[3]])
  succeeded(await sandbox.setRetention({}))
  await write(sandbox, 1)
  expect(await namesOf(sandbox)).toHaveLength(3)
})

test("the oldest snapshots go when all take more than they may", async () => {
  const limit = 24 * mebibyte
  const sandbox = await create({ max_bytes: limit })
  await write(sandbox, 4)
  const { snapshot: labelled } = succeeded(await sandbox.snapshot("label"))
  const taken: string[] = []
  for (let count = 0; count < 8; count++) taken.push(await write(sandbox, 4))
  await eventually("the sandbox to take no more than it may", backgroundMs, async () =>
    (await statusOf(sandbox)).bytes <= limit ? true : undefined,
  )
  const names = await namesOf(sandbox)
  expect(names.slice(0, 2)).toEqual(["initial", labelled.snapshot_name])
  const kept = names.slice(2)
  expect(kept.length).toBeGreaterThan(0)
  expect(kept).toEqual(taken.slice(-kept.length))
  await expectWhole(sandbox, kept[0] ?? "")
  await expectWhole(sandbox, "label")
})

test("a quota that is reached fails the next command before it runs, and loses nothing", async () => {
  const quota = 20 * mebibyte
  const sandbox = await create({ quota_bytes: quota })
  const small = await write(sandbox, 1)
  const large = await write(sandbox, 24)
  const before = await namesOf(sandbox)
  const refusal = failed(await sandbox.run("touch never"))
  expect(refusal).toMatchObject({ code: "quota_exceeded", error: matching(/quota is 20971520/) })
  expect(failed(await sandbox.run("touch never", { snapshot: false })).code).toBe("quota_exceeded")
  expect(await namesOf(sandbox)).toEqual(before)

  succeeded(await sandbox.setRetention({ quota_bytes: 10 * quota }))
  expect(succeeded(await sandbox.run("ls; sha256sum -c sum")).stdout).toBe("file\nsum\nfile: OK\n")
  succeeded(await sandbox.setRetention({ quota_bytes: quota }))
  expect(failed(await sandbox.run("touch never")).code).toBe("quota_exceeded")
  succeeded(await sandbox.restore(large))
  expect(failed(await sandbox.run("touch never")).code).toBe("quota_exceeded")
  succeeded(await sandbox.restore(small))
  expect(succeeded(await sandbox.run("sha256sum -c sum")).stdout).toBe("file: OK\n")
})

test("a snapshot that is deleted in the middle gives its room back, and so lifts a quota", async () => {
  const sandbox = await server.create()
  const before = await layerBytes(server.dataDirectory)
  const first = await write(sandbox, 1)
  const large = await write(sandbox, 60)
  const { snapshot: after } = succeeded(await sandbox.run("rm file; echo after > after"))
  succeeded(await sandbox.setRetention({ quota_bytes: 20 * mebibyte }))
  expect(failed(await sandbox.run("true")).code).toBe("quota_exceeded")
  expect(await layerBytes(server.dataDirectory)).toBeGreaterThan(before + 60 * mebibyte)

  succeeded(await sandbox.deleteSnapshot(large))
  await eventually("the room to be given back", backgroundMs, async () =>
    (await layerBytes(server.dataDirectory)) < before + 10 * mebibyte ? true : undefined,
  )
  expect(succeeded(await sandbox.run("cat after")).stdout).toBe("after\n")
  expect((await statusOf(sandbox)).bytes).toBeLessThan(10 * mebibyte)
  succeeded(await sandbox.restore(after))
  expect(succeeded(await sandbox.run("cat after; ls file")).stdout).toBe("after\n")
  await expectWhole(sandbox, first)
})

test("the server's limits hold for sandboxes that have none of their own", async () => {
  const env = {
    OPENSANDBOX_KEEP_LAST: "2",
    OPENSANDBOX_KEEP_DAYS: "30",
    OPENSANDBOX_MAX_SIZE: "1G",
    OPENSANDBOX_QUOTA: "2G",
  }
  const strict = await TestServer.start({ env })
  try {
    const sandbox = await strict.create()
    const status = { keep_last: 2, keep_days: 30, max_bytes: 1e9, quota_bytes: 2e9 }
    expect(await statusOf(sandbox)).toMatchObject(status)
    const taken: string[] = []
    for (let count = 0; count < 4; count++) taken.push(await write(sandbox, 1))
    expect(await eventuallyAtMost(3, sandbox)).toEqual(["initial", ...taken.slice(-2)])
    expect(succeeded(await sandbox.setRetention({ keep_last: null })).retention).toMatchObject({
      ...status,
      keep_last: null,
    })
    for (let count = 0; count < 2; count++) await write(sandbox, 1)
    expect(await namesOf(sandbox)).toHaveLength(5)
  } finally {
    await strict.dispose()
  }
})

test("a sandbox that a restore keeps has the limits that its origin has then", async () => {
  const sandbox = await create({ keep_last: 2 })
  for (let count = 0; count < 2; count++) await write(sandbox, 1)
  const { kept } = succeeded(await sandbox.restore("initial", { keep: true }))
  const other = server.sandbox(kept ?? "")
  expect(await statusOf(other)).toMatchObject({ keep_last: 2, snapshots: 3 })
  const newest = await write(other, 1)
  expect((await eventuallyAtMost(3, other)).at(-1)).toBe(newest)
})

test("a server that begins deletes what is beyond the limits that it has now", async () => {
  const env: Record<string, string> = {}
  const changing = await TestServer.start({ env })
  try {
    const { name } = await changing.create()
    const taken: string[] = []
    for (let count = 0; count < 3; count++) taken.push(await write(changing.sandbox(name), 1))
    env["OPENSANDBOX_KEEP_LAST"] = "1"
    await changing.restart()
    expect(await eventuallyAtMost(2, changing.sandbox(name))).toEqual(["initial", taken.at(-1)])
  } finally {
    await changing.dispose()
  }
})
