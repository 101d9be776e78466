import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, expect, test } from "vitest"
import { openDatabase, type Database } from "../store/database.js"
import { chainOf } from "./chain.js"
import { SandboxStore } from "./sandbox-store.js"

let directory: string
let database: Database
let store: SandboxStore

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "store-"))
  database = await openDatabase(join(directory, "opensandbox.db"))
  store = new SandboxStore(database)
})

afterEach(async () => {
  await database.destroy()
  await rm(directory, { recursive: true })
})

function create(name: string, head: string) {
  return store.create({ ownerId: 0, name, imageKey: "i", machineId: `m-${name}`, head, createdAt: 1000 })
}

/** Seals the head and puts a new one on top, as a command's snapshot does. */
async function snapshot(sandboxId: number, sealed: string, head: string, createdAt: number) {
  await store.addNext(sandboxId, head, sealed)
  return store.addSnapshot(sandboxId, sealed, head, {
    name: `cmd_${createdAt}`,
    command: "c",
    exitCode: 0,
    createdAt,
  })
}

async function states(sandboxId: number) {
  const layers = await store.layers(sandboxId)
  return Object.fromEntries(layers.map((layer) => [layer.id, layer.state]))
}

test("begins with the initial snapshot, on no layer, and an empty head", async () => {
  const { id } = await create("a", "l0")
  expect(await store.snapshots({ sandboxId: id })).toMatchObject([
    { name: "initial", vm_name: "a", layer_id: null, command: null, created_at: 1000 },
  ])
  expect(await states(id)).toEqual({ l0: "head" })
  expect(chainOf(await store.layers(id), "l0")).toEqual(["l0"])
})

test("records a snapshot together with the new head", async () => {
  const { id } = await create("a", "l0")
  await snapshot(id, "l0", "l1", 2000)
  await snapshot(id, "l1", "l2", 3000)
  expect(await states(id)).toEqual({ l0: "sealed", l1: "sealed", l2: "head" })
  expect((await store.snapshots({ sandboxId: id })).map((row) => [row.name, row.layer_id])).toEqual([
    ["initial", null],
    ["cmd_2000", "l0"],
    ["cmd_3000", "l1"],
  ])
  expect(chainOf(await store.layers(id), "l2")).toEqual(["l0", "l1", "l2"])
  expect(await store.newestSnapshotAt(id)).toBe(3000)
})

test("goes back: later snapshots go, and with them the layers that nothing else needs", async () => {
  const { id } = await create("a", "l0")
  await snapshot(id, "l0", "l1", 2000)
  await snapshot(id, "l1", "l2", 3000)
  await store.addNext(id, "l3", "l2")
  const target = await store.snapshot(id, "cmd_2000")
  if (target === undefined) throw new Error("the snapshot is gone")
  expect((await store.restore(id, target, "r0", "m2")).sort()).toEqual(["l1", "l2", "l3"])
  expect((await store.snapshots({ sandboxId: id })).map((row) => row.name)).toEqual(["initial", "cmd_2000"])
  expect(chainOf(await store.layers(id), "r0")).toEqual(["l0", "r0"])
  expect((await store.sandboxes())[0]).toMatchObject({ machine_id: "m2" })
  expect(await states(id)).toEqual({ l0: "sealed", r0: "head" })
})

test("keeps sandboxes apart", async () => {
  const a = await create("a", "a0")
  const b = await create("b", "b0")
  await snapshot(b.id, "b0", "b1", 2000)
  const initial = await store.snapshot(a.id, "initial")
  if (initial === undefined) throw new Error("the snapshot is gone")
  await store.restore(a.id, initial, "a1", "m3")
  await store.destroy(a.id)
  expect((await store.snapshots({ ownerId: 0 })).map((row) => row.vm_name)).toEqual(["b", "b"])
  expect(await store.allLayers()).toEqual(new Set(["b0", "b1"]))
})

test("refuses a chain with a missing link", async () => {
  const { id } = await create("a", "l0")
  expect(() => chainOf([], "l0")).toThrow(/not recorded/)
  expect(chainOf(await store.layers(id), null)).toEqual([])
})
