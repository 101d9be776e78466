import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, expect, test } from "vitest"
import { LayerStore } from "../layers/layer-store.js"
import { openDatabase, type Database } from "../store/database.js"
import type { SnapshotRow } from "../store/tables.js"
import { SandboxStore, type NewSandbox } from "./sandbox-store.js"
import { defaultSize } from "./size.js"

let directory: string
let database: Database
let store: SandboxStore
let layers: LayerStore

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "store-"))
  database = await openDatabase(join(directory, "opensandbox.db"))
  store = new SandboxStore(database)
  layers = new LayerStore(database)
})

afterEach(async () => {
  await database.destroy()
  await rm(directory, { recursive: true })
})

function sandbox(name: string, head: string): NewSandbox {
  const own = { retention: "{}", network: JSON.stringify("none"), snapshotKind: "disk" } as const
  return {
    ownerId: 0,
    name,
    imageKey: "i",
    machineId: null,
    head,
    createdAt: 1000,
    size: defaultSize,
    lifetime: { idle_timeout: null, expires_at: null },
    ...own,
  }
}

const create = (name: string, head: string) => store.create(sandbox(name, head))

/** Seals the head and puts a new one on top, as a command's snapshot does. */
async function snapshot(sandboxId: number, layer: string, head: string, createdAt: number, label?: string) {
  await layers.addNext(sandboxId, "i", head, layer)
  const command = { command: "c", exitCode: 0, durationMs: 12 }
  const named = { name: `cmd_${createdAt}`, createdAt, ...(label !== undefined && { label }) }
  await store.addSnapshot(sandboxId, { layer, head, bytes: 100 }, { ...named, ...command })
}

async function found(sandboxId: number, name: string): Promise<SnapshotRow> {
  const row = await store.snapshot(sandboxId, name)
  if (row === undefined) throw new Error(`there is no snapshot ${name}`)
  return row
}

const names = async (sandboxId: number) => (await store.snapshots({ sandboxId })).map((row) => row.name)

const chain = async (top: string) => (await layers.chain(top)).map((layer) => layer.id)

async function states() {
  return Object.fromEntries((await layers.all()).map((layer) => [layer.id, layer.state]))
}

test("begins with the initial snapshot, on no layer, and an empty head", async () => {
  const { id } = await create("a", "l0")
  expect(await store.snapshots({ sandboxId: id })).toMatchObject([
    {
      name: "initial",
      vm_name: "a",
      layer_id: null,
      parent: null,
      command: null,
      bytes: 0,
      created_at: 1000,
    },
  ])
  expect(await states()).toEqual({ l0: "head" })
  expect(await chain("l0")).toEqual(["l0"])
})

test("records a snapshot together with the new head", async () => {
  const { id } = await create("a", "l0")
  await snapshot(id, "l0", "l1", 2000)
  await snapshot(id, "l1", "l2", 3000, "good")
  expect(await states()).toEqual({ l0: "sealed", l1: "sealed", l2: "head" })
  expect(await store.snapshots({ sandboxId: id })).toMatchObject([
    { name: "initial", layer_id: null, parent: null },
    { name: "cmd_2000", layer_id: "l0", parent: "initial", bytes: 100, duration_ms: 12, label: null },
    { name: "cmd_3000", layer_id: "l1", parent: "cmd_2000", label: "good", damaged: false },
  ])
  expect(await chain("l2")).toEqual(["l0", "l1", "l2"])
  expect((await store.newestSnapshots(id, 2)).map((row) => row.name)).toEqual(["cmd_3000", "cmd_2000"])
  expect((await found(id, "good")).name).toBe("cmd_3000")
})

test("has a label once in a sandbox", async () => {
  const { id } = await create("a", "l0")
  await snapshot(id, "l0", "l1", 2000, "good")
  await expect(snapshot(id, "l1", "l2", 3000, "good")).rejects.toThrow("UNIQUE")
})

test("goes back: later snapshots go, and with them the layers that nothing else needs", async () => {
  const row = await create("a", "l0")
  await snapshot(row.id, "l0", "l1", 2000)
  await snapshot(row.id, "l1", "l2", 3000)
  await layers.addNext(row.id, "i", "l3", "l2")
  const { gone, left } = await store.restore(row, await found(row.id, "cmd_2000"), "r0", "m2")
  expect([...gone].sort()).toEqual(["l1", "l2", "l3"])
  expect(left).toEqual(["l0"])
  expect(await names(row.id)).toEqual(["initial", "cmd_2000"])
  expect(await chain("r0")).toEqual(["l0", "r0"])
  expect((await store.sandboxes())[0]).toMatchObject({ machine_id: "m2" })
  expect(await states()).toEqual({ l0: "sealed", r0: "head" })
})

test("keeps sandboxes apart", async () => {
  const a = await create("a", "a0")
  const b = await create("b", "b0")
  await snapshot(b.id, "b0", "b1", 2000)
  await store.restore(a, await found(a.id, "initial"), "a1", "m3")
  await store.destroy(a.id)
  expect((await store.snapshots({ ownerId: 0 })).map((row) => row.vm_name)).toEqual(["b", "b"])
  expect(Object.keys(await states()).sort()).toEqual(["b0", "b1"])
})

test("a fork has the snapshots up to where it began, and shares their layers until the last one goes", async () => {
  const a = await create("a", "l0")
  await snapshot(a.id, "l0", "l1", 2000)
  await snapshot(a.id, "l1", "l2", 3000)
  const last = await found(a.id, "cmd_2000")
  const [fork] = await store.fork({ sandboxes: [sandbox("b", "f0")], layer: "l0", last })
  if (fork === undefined) throw new Error("there is no fork")
  expect(await names(fork.id)).toEqual(["initial", "cmd_2000"])
  expect(await chain("f0")).toEqual(["l0", "f0"])
  expect(await store.destroy(a.id)).toEqual({ gone: ["l2", "l1"], left: ["l0"], memories: [] })
  expect(await chain("f0")).toEqual(["l0", "f0"])
  expect((await store.destroy(fork.id)).gone).toEqual(["f0", "l0"])
})

test("forks are made all together or not at all", async () => {
  const a = await create("a", "l0")
  const last = await found(a.id, "initial")
  const fork = store.fork({ sandboxes: [sandbox("b", "f0"), sandbox("a", "f1")], layer: null, last })
  await expect(fork).rejects.toThrow("UNIQUE")
  expect((await store.sandboxes()).map((row) => row.name)).toEqual(["a"])
  expect(await states()).toEqual({ l0: "head" })
})

test("deleting snapshots leaves the layers that others rest on, and says which could be taken in", async () => {
  const { id } = await create("a", "l0")
  await snapshot(id, "l0", "l1", 2000)
  await snapshot(id, "l1", "l2", 3000)
  await snapshot(id, "l2", "l3", 4000)
  const { gone, left } = await store.deleteSnapshots([await found(id, "cmd_3000")])
  expect([gone, left]).toEqual([[], ["l1"]])
  expect(await names(id)).toEqual(["initial", "cmd_2000", "cmd_4000"])
  expect((await store.snapshots({ sandboxId: id })).at(-1)).toMatchObject({ parent: "cmd_2000" })
  expect(await layers.overUnneeded(left)).toEqual(["l2"])
  expect(await layers.overUnneeded()).toEqual(["l2"])
  // The newest snapshot's layer rests below the head, which cannot take anything in.
  await store.deleteSnapshots([await found(id, "cmd_4000")])
  expect(await layers.overUnneeded(["l2"])).toEqual([])
})

test("a layer that was written anew forgets what it took in, as far as nothing else needs it", async () => {
  const { id } = await create("a", "l0")
  await snapshot(id, "l0", "l1", 2000)
  await snapshot(id, "l1", "l2", 3000)
  await snapshot(id, "l2", "l3", 4000)
  await store.deleteSnapshots([await found(id, "cmd_3000")])
  const fingerprint = { bytes: 150, length: 200, modifiedUs: 5, checksum: "c" }
  expect(await layers.rebase("l2", "l0", fingerprint)).toEqual({ gone: ["l1"], left: ["l0"] })
  expect(await chain("l3")).toEqual(["l0", "l2", "l3"])
  expect(await layers.find("l2")).toMatchObject({ bytes: 150, checksum: "c", number: 3 })
  expect(await layers.rebase("gone", null, fingerprint)).toBeUndefined()
  expect(await store.sealedBytes(id)).toBe(250)
})

test("damage shows in every snapshot that rests on the layer, in forks too, and in no other", async () => {
  const a = await create("a", "l0")
  await snapshot(a.id, "l0", "l1", 2000)
  await snapshot(a.id, "l1", "l2", 3000)
  const [fork] = await store.fork({
    sandboxes: [sandbox("b", "f0")],
    layer: "l1",
    last: await found(a.id, "cmd_3000"),
  })
  await layers.setDamage("l1", "its file is missing")
  const damaged = async (sandboxId: number) =>
    (await store.snapshots({ sandboxId })).map((row) => row.damaged)
  expect(await damaged(a.id)).toEqual([false, false, true])
  expect(await damaged(fork?.id ?? 0)).toEqual([false, false, true])
  expect(await layers.totals()).toMatchObject({ layers: 4, bytes: 200, damaged: 1 })
})

test("knows which snapshots nobody asked to keep", async () => {
  const { id } = await create("a", "l0")
  await snapshot(id, "l0", "l1", 2000)
  await snapshot(id, "l1", "l2", 3000, "good")
  expect((await store.expendableSnapshots(id)).map((row) => row.name)).toEqual(["cmd_2000"])
  expect(await store.countSnapshots(id)).toBe(3)
})

test("a sandbox that was taken in begins with the blank disk and what came with it", async () => {
  const arrived = { name: "import_1", command: null, exitCode: null, durationMs: null, createdAt: 2000 }
  const { id } = await store.create(sandbox("a", "l1"), { layer: "l0", bytes: 10, snapshot: arrived })
  expect(await names(id)).toEqual(["initial", "import_1"])
  expect(await chain("l1")).toEqual(["l0", "l1"])
})
