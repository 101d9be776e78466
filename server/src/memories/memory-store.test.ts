import { afterEach, beforeEach, expect, test } from "vitest"
import { LayerStore } from "../layers/layer-store.js"
import { SandboxStore, type NewSandbox } from "../sandboxes/sandbox-store.js"
import { defaultSize } from "../sandboxes/size.js"
import { openDatabase, type Database } from "../store/database.js"
import type { SnapshotRow } from "../store/tables.js"
import { MemoryStore } from "./memory-store.js"

let database: Database
let store: SandboxStore
let layers: LayerStore
let memories: MemoryStore

beforeEach(async () => {
  database = await openDatabase(":memory:")
  store = new SandboxStore(database)
  layers = new LayerStore(database)
  memories = new MemoryStore(database)
})

afterEach(() => database.destroy())

const template = "t1"

function sandbox(name: string, head: string): NewSandbox {
  const own = { retention: "{}", network: JSON.stringify("none"), snapshotKind: "machine" } as const
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

/** Takes a snapshot of the whole machine, whose memory rests on another one if it can. */
async function snapshot(sandboxId: number, layer: string, head: string, memory: string, near?: string) {
  await layers.addNext(sandboxId, "i", head, layer)
  const parent = await memories.begin(memory, template, near)
  const machine = {
    memory: { id: memory, bytes: 1000, pages: 3 },
    layer,
    sealed: { layer, head, bytes: 100 },
  }
  const named = { name: `cmd_${head}`, command: "c", exitCode: 0, durationMs: 12, createdAt: 2000 }
  await store.addMachineSnapshot(sandboxId, machine, named)
  return parent
}

async function found(sandboxId: number, name: string): Promise<SnapshotRow> {
  const row = await store.snapshot(sandboxId, name)
  if (row === undefined) throw new Error(`there is no snapshot ${name}`)
  return row
}

const chain = async (top: string) => (await memories.chain(top)).map((memory) => memory.id)
const all = async () => (await memories.all()).map((memory) => memory.id).sort()

test("a snapshot of the whole machine names a memory that is whole, and counts what both take", async () => {
  const { id } = await create("a", "l0")
  expect(await snapshot(id, "l0", "l1", "m0")).toBeUndefined()
  expect(await snapshot(id, "l1", "l2", "m1", "m0")).toBe("m0")
  expect(await found(id, "cmd_l2")).toMatchObject({ layer_id: "l1", memory_id: "m1", bytes: 1100 })
  expect(await memories.find("m1")).toMatchObject({ parent_id: "m0", depth: 2, state: "written", pages: 3 })
  expect(await chain("m1")).toEqual(["m0", "m1"])
  expect(await store.memoryBytes(id)).toBe(2000)
  expect(await memories.totals()).toEqual({ memories: 2, bytes: 2000, damaged: 0 })
})

test("on a disk that has not changed it names the layer that shows the same, and adds its memory alone", async () => {
  const { id } = await create("a", "l0")
  await snapshot(id, "l0", "l1", "m0")
  await memories.begin("m1", template, "m0")
  const named = { name: "cmd_2", command: null, exitCode: null, durationMs: null, createdAt: 2000 }
  await store.addMachineSnapshot(id, { memory: { id: "m1", bytes: 9, pages: 1 }, layer: "l0" }, named)
  expect(await found(id, "cmd_2")).toMatchObject({ layer_id: "l0", memory_id: "m1", bytes: 9 })
  expect((await layers.chain("l1")).map((layer) => layer.id)).toEqual(["l0", "l1"])
})

test("a memory that is being written keeps what it rests on, and leaves nothing when it is given up", async () => {
  const { id } = await create("a", "l0")
  await snapshot(id, "l0", "l1", "m0")
  expect(await memories.begin("m1", template, "m0")).toBe("m0")
  expect((await store.deleteSnapshots([await found(id, "cmd_l1")])).memories).toEqual([])
  expect(await chain("m1")).toEqual(["m0", "m1"])
  expect(await memories.abandon("m1")).toEqual(["m1", "m0"])
  expect(await all()).toEqual([])
})

test("rests on nothing that is gone, damaged, of another template, not finished, or eight deep", async () => {
  const { id } = await create("a", "l0")
  expect(await memories.begin("m-gone", template, "nobody")).toBeUndefined()
  expect(await memories.begin("m-unfinished", template, "m-gone")).toBeUndefined()
  await snapshot(id, "l0", "l1", "m1")
  expect(await memories.begin("m-other", "t2", "m1")).toBeUndefined()
  for (let depth = 2; depth <= 8; depth++)
    expect(await snapshot(id, `l${depth - 1}`, `l${depth}`, `m${depth}`, `m${depth - 1}`)).toBe(
      `m${depth - 1}`,
    )
  expect(await snapshot(id, "l8", "l9", "m9", "m8")).toBeUndefined()
  expect(await memories.find("m9")).toMatchObject({ parent_id: null, depth: 1 })
  await memories.setDamage("m3", "its file is missing")
  expect(await memories.begin("m-damaged", template, "m5")).toBeUndefined()
  expect(await memories.templates()).toEqual(new Set(["t1", "t2"]))
})

test("memories go with the last that needs them, and what they rested on goes with them", async () => {
  const row = await create("a", "l0")
  await snapshot(row.id, "l0", "l1", "m0")
  await snapshot(row.id, "l1", "l2", "m1", "m0")
  await snapshot(row.id, "l2", "l3", "m2", "m1")
  const last = await found(row.id, "cmd_l2")
  const [fork] = await store.fork({ sandboxes: [sandbox("b", "f0")], layer: "l1", last })
  expect((await store.deleteSnapshots([await found(row.id, "cmd_l1")])).memories).toEqual([])
  expect((await store.restore(row, last, "r0", "machine")).memories).toEqual(["m2"])
  expect((await store.destroy(row.id)).memories).toEqual([])
  expect((await found(fork?.id ?? 0, "cmd_l2")).memory_id).toBe("m1")
  expect((await store.destroy(fork?.id ?? 0)).memories).toEqual(["m1", "m0"])
  expect(await all()).toEqual([])
})

test("forks of the present share the memory that is finished with them", async () => {
  const { id } = await create("a", "l0")
  await layers.addNext(id, "i", "l1", "l0")
  await layers.advanceHead("l0", "l1", 100)
  await memories.begin("m0", template, undefined)
  const present = { name: "fork_1", command: null, exitCode: null, durationMs: null, createdAt: 2000 }
  const forks = await store.fork({
    sandboxes: [sandbox("b", "f0"), sandbox("c", "f1")],
    layer: "l0",
    last: await found(id, "initial"),
    present,
    memory: { id: "m0", bytes: 1000, pages: 3 },
  })
  for (const fork of forks)
    expect(await found(fork.id, "fork_1")).toMatchObject({ layer_id: "l0", memory_id: "m0", bytes: 0 })
  expect(await store.memoryBytes(id)).toBe(0)
  expect(await memories.find("m0")).toMatchObject({ state: "written" })
})

test("a paused sandbox needs its memory, until it goes back or is destroyed", async () => {
  const pause = async (row: { id: number }, memory: string) => {
    await database
      .updateTable("sandboxes")
      .set({ paused_memory_id: memory })
      .where("id", "=", row.id)
      .execute()
  }
  const row = await create("a", "l0")
  await snapshot(row.id, "l0", "l1", "m0")
  await pause(row, "m0")
  expect((await store.deleteSnapshots([await found(row.id, "cmd_l1")])).memories).toEqual([])
  expect(await store.memoryBytes(row.id)).toBe(1000)
  expect((await store.restore(row, await found(row.id, "initial"), "r0", "machine")).memories).toEqual(["m0"])
  await snapshot(row.id, "r0", "r1", "m1")
  await pause(row, "m1")
  expect((await store.destroy(row.id)).memories).toEqual(["m1"])
})

test("a start forgets what was being written, and what nothing needs", async () => {
  const { id } = await create("a", "l0")
  await snapshot(id, "l0", "l1", "m0")
  await memories.begin("m1", template, "m0")
  await memories.begin("m2", template, undefined)
  expect((await memories.collect()).sort()).toEqual(["m1", "m2"])
  expect(await all()).toEqual(["m0"])
})

test("damage shows in every snapshot whose memory rests on it, and in no other", async () => {
  const { id } = await create("a", "l0")
  await snapshot(id, "l0", "l1", "m0")
  await snapshot(id, "l1", "l2", "m1", "m0")
  await snapshot(id, "l2", "l3", "m2", "m1")
  await snapshot(id, "l3", "l4", "m3")
  await memories.setDamage("m1", "its file is missing")
  const listed = await store.snapshots({ sandboxId: id })
  expect(listed.map((row) => row.degraded)).toEqual([false, false, true, true, false])
  expect(listed.map((row) => row.damaged)).toEqual([false, false, false, false, false])
  expect(await memories.totals()).toMatchObject({ damaged: 1 })
})

test("a compressed memory takes what is left of it, and no other is taken for compressed", async () => {
  const { id } = await create("a", "l0")
  await snapshot(id, "l0", "l1", "m0")
  await memories.setCompressed("m0", 300)
  expect(await memories.find("m0")).toMatchObject({ state: "compressed", bytes: 300 })
  await memories.begin("m1", template, undefined)
  await memories.setCompressed("m1", 1)
  expect(await memories.find("m1")).toMatchObject({ state: "writing", bytes: 0 })
})
