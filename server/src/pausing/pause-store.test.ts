import { afterEach, beforeEach, expect, test } from "vitest"
import { LayerStore } from "../layers/layer-store.js"
import { MemoryStore } from "../memories/memory-store.js"
import { SandboxStore } from "../sandboxes/sandbox-store.js"
import { defaultSize } from "../sandboxes/size.js"
import { openDatabase, type Database } from "../store/database.js"
import type { SandboxRow } from "../store/tables.js"
import { PauseStore } from "./pause-store.js"

let database: Database
let sandboxes: SandboxStore
let layers: LayerStore
let memories: MemoryStore
let pauses: PauseStore
let box: SandboxRow

beforeEach(async () => {
  database = await openDatabase(":memory:")
  sandboxes = new SandboxStore(database)
  layers = new LayerStore(database)
  memories = new MemoryStore(database)
  pauses = new PauseStore(database)
  box = await sandboxes.create({
    ownerId: 0,
    name: "box",
    imageKey: "i",
    machineId: "m0",
    head: "l0",
    createdAt: 1000,
    size: defaultSize,
    retention: "{}",
    network: '"none"',
    snapshotKind: "disk",
    lifetime: { idle_timeout: null, expires_at: null },
  })
})

afterEach(() => database.destroy())

const written = (id: string) => ({ id, bytes: 5000, pages: 100 })

/** Pauses the sandbox with a memory, and its head sealed below the layer that was ready. */
async function pause(memory: string, layer = "l0", head = "l1") {
  await layers.addNext(box.id, "i", head, layer)
  await memories.begin(memory, "t", undefined)
  await pauses.pause(box.id, { memory: written(memory), sealed: { layer, head, bytes: 10 } })
}

const row = async () => (await sandboxes.sandboxes())[0]

const layerStates = async () =>
  Object.fromEntries((await layers.all()).map(({ id, state, parent_id }) => [id, [state, parent_id]]))

const memoryIds = async () => (await memories.all()).map(({ id }) => id)

test("a paused sandbox has a memory and a sealed layer in the place of its machine", async () => {
  await pause("r0")
  expect(await row()).toMatchObject({ machine_id: null, paused_memory_id: "r0", degraded: null })
  expect(await layerStates()).toEqual({ l0: ["sealed", null], l1: ["head", "l0"] })
  expect(await pauses.find(box.id)).toEqual({ memory: "r0", layer: "l0" })
  expect(await memories.find("r0")).toMatchObject({ state: "written", bytes: 5000, pages: 100 })
})

test("one whose head was empty keeps it", async () => {
  await memories.begin("r0", "t", undefined)
  await pauses.pause(box.id, { memory: written("r0") })
  expect(await layerStates()).toEqual({ l0: ["head", null] })
  expect(await pauses.find(box.id)).toEqual({ memory: "r0", layer: null })
})

test("when it goes on it has a machine and a fresh head, and the memory is needed no more", async () => {
  await pause("r0")
  const released = await pauses.resume(box.id, { machineId: "m1", head: "l2", degraded: null })
  expect(released).toEqual({ layers: ["l1"], memories: ["r0"] })
  expect(await row()).toMatchObject({ machine_id: "m1", paused_memory_id: null, degraded: null })
  expect(await layerStates()).toEqual({ l0: ["sealed", null], l2: ["head", "l0"] })
  expect(await memoryIds()).toEqual([])
  await expect(pauses.find(box.id)).rejects.toThrow("not paused")
})

test("what was lost is remembered until it is paused again", async () => {
  await pause("r0")
  await pauses.resume(box.id, { machineId: "m1", head: "l2", degraded: "Its memory was damaged." })
  expect((await row())?.degraded).toBe("Its memory was damaged.")
  await pause("r1", "l2", "l3")
  expect(await row()).toMatchObject({ degraded: null, paused_memory_id: "r1" })
})

test("a memory that a snapshot names as well outlives the pause", async () => {
  await pause("r0")
  const snapshot = { sandbox_id: box.id, name: "snap_1", layer_id: "l0", memory_id: "r0", created_at: 1 }
  await database.insertInto("snapshots").values(snapshot).execute()
  const { memories: released } = await pauses.resume(box.id, { machineId: "m1", head: "l2", degraded: null })
  expect([released, await memoryIds()]).toEqual([[], ["r0"]])
})

test("a restore and the end of the sandbox let go of what it was paused with", async () => {
  await pause("r0")
  const initial = await sandboxes.snapshot(box.id, "initial")
  if (initial === undefined) throw new Error("there is no first snapshot")
  const restored = await sandboxes.restore(box, initial, "l2", "m1")
  expect(restored).toMatchObject({ gone: ["l1", "l0"], memories: ["r0"] })
  expect(await row()).toMatchObject({ machine_id: "m1", paused_memory_id: null, degraded: null })
  await pause("r1", "l2", "l3")
  expect((await sandboxes.destroy(box.id)).memories).toEqual(["r1"])
  expect(await memoryIds()).toEqual([])
})
