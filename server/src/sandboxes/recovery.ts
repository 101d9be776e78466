import type { Machine } from "@opensandbox/vm"
import PQueue from "p-queue"
import { compareMemories } from "../memories/compare-memories.js"
import type { SandboxRow } from "../store/tables.js"
import type { SandboxMeans } from "./means.js"
import { networkOf } from "./network.js"
import { Sandbox } from "./sandbox.js"
import { sizeOf } from "./size.js"

/** Sandboxes and layers that are looked at beside each other: as many as file operations can be under way. */
const examinedAtOnce = 4

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
  await compareMemories(means)
  const sandboxes = new PQueue({ concurrency: examinedAtOnce })
  return sandboxes.addAll(rows.map((row) => () => recoverSandbox(row, means)))
}

async function recoverSandbox(row: SandboxRow, means: SandboxMeans): Promise<Sandbox> {
  const machine = await adopt(row, means)
  if (machine === undefined && means.unclean) await examineHead(row, means)
  const [newest] = await means.store.newestSnapshots(row.id, 1)
  return new Sandbox(row, means, newest?.created_at ?? row.created_at, machine)
}

async function adopt(row: SandboxRow, means: SandboxMeans): Promise<Machine | undefined> {
  const { store, room, log } = means
  if (row.machine_id === null) return undefined
  try {
    const machine = await room.adopt(row.machine_id, networkOf(row), sizeOf(row))
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

/** Looks closely at a head whose machine came to a sudden end, before another one writes to it. */
async function examineHead(row: SandboxRow, { layers, health }: SandboxMeans): Promise<void> {
  const [head] = await layers.writable(row.id)
  if (head !== undefined) await health.examineStructure(head)
}

/** The server may have died between the sealing of a layer and its recording: the machine then is one layer ahead. */
async function alignHead(row: SandboxRow, machine: Machine, { layers, room }: SandboxMeans): Promise<void> {
  const [head, ...ready] = await layers.writable(row.id)
  if (![head, ...ready].some((layer) => layer?.id === machine.head))
    throw new Error("it writes to a layer that is not recorded")
  for (const next of ready) {
    if (next.id === machine.head && head !== undefined) {
      await layers.advanceHead(head.id, next.id, null)
    } else {
      await layers.removeNext(next.id)
      await room.disk.remove(next.id)
    }
  }
}

/**
 * Removes the files that no record names, and reports (never hides) layers whose file is missing or not what it was.
 * After an end that was not in order, those that were written to last are looked at more closely.
 */
async function compareLayers({ layers, room, health, unclean }: SandboxMeans): Promise<void> {
  await room.disk.removeUnfinished()
  const recorded = await layers.all()
  const known = new Set(recorded.map((layer) => layer.id))
  for (const file of await room.disk.list()) if (!known.has(file)) await room.disk.remove(file)
  const examinations = new PQueue({ concurrency: examinedAtOnce })
  await examinations.addAll(
    recorded
      // One that was made ahead of time may not have got its file yet.
      .filter((layer) => layer.state !== "next")
      .map((layer) => {
        const lately = layer.state === "sealed" && layer.checksum === null
        return () => (unclean && lately ? health.examineStructure(layer) : health.examine(layer))
      }),
  )
}
