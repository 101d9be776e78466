import type { Machine } from "@opensandbox/vm"
import type { SandboxRow } from "../store/tables.js"
import type { SandboxMeans } from "./means.js"
import { Sandbox } from "./sandbox.js"

/**
 * Brings the sandboxes back after the end of a server, be it in order or in the middle of anything: machines that still
 * run are taken up again, the others start at their next use, and what the database does not know is removed.
 */
export async function recover(means: SandboxMeans): Promise<Sandbox[]> {
  const { store, room, reserve } = means
  const rows = await store.sandboxes()
  const known = rows.map((row) => row.machine_id).filter((id) => id !== null)
  await room.endAllBut(new Set(known))
  await reserve.giveWhenFull()
  // Before any sandbox is back: those that are make layers of their own.
  await compareLayers(means)
  return Promise.all(rows.map((row) => recoverSandbox(row, means)))
}

async function recoverSandbox(row: SandboxRow, means: SandboxMeans): Promise<Sandbox> {
  const machine = await adopt(row, means)
  return new Sandbox(row, means, await means.store.newestSnapshotAt(row.id), machine)
}

async function adopt(row: SandboxRow, means: SandboxMeans): Promise<Machine | undefined> {
  const { store, room, log } = means
  if (row.machine_id === null) return undefined
  try {
    const machine = await room.adopt(row.machine_id)
    if (machine !== undefined) {
      await alignHead(row, machine, means)
      log.info({ sandbox: row.name, machine: machine.id }, "took up the sandbox's machine")
      return machine
    }
  } catch (error) {
    log.warn(
      { sandbox: row.name, err: error },
      "the sandbox's machine had to be ended; it starts again at its next use",
    )
  }
  await room.end(row.machine_id)
  await store.setMachine(row.id, null)
  return undefined
}

/** The server may have died between the sealing of a layer and its recording: the machine then is one layer ahead. */
async function alignHead(row: SandboxRow, machine: Machine, means: SandboxMeans): Promise<void> {
  const { store, room } = means
  const layers = await store.layers(row.id)
  if (!layers.some((layer) => layer.id === machine.head))
    throw new Error("it writes to a layer that is not recorded")
  const head = layers.find((layer) => layer.state === "head")
  for (const next of layers.filter((layer) => layer.state === "next")) {
    if (next.id === machine.head && head !== undefined) {
      await store.advanceHead(head.id, next.id)
    } else {
      await machine.discard(next.id)
      await store.removeLayer(next.id)
      await room.disk.remove(next.id)
    }
  }
}

/** Removes the files that no record names, and reports (never hides) the layers whose file is missing. */
async function compareLayers({ store, room, log }: SandboxMeans): Promise<void> {
  await room.disk.removeUnfinished()
  const files = await room.disk.list()
  const recorded = await store.allLayers()
  for (const file of files) if (!recorded.has(file)) await room.disk.remove(file)
  const present = new Set(files)
  for (const sandbox of await store.sandboxes()) {
    for (const layer of await store.layers(sandbox.id)) {
      if (layer.state === "next" || present.has(layer.id)) continue
      log.error(
        { sandbox: sandbox.name, layer: layer.id },
        "a layer's file is missing: its snapshots are damaged",
      )
    }
  }
}
