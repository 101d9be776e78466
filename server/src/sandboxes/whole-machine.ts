import { failpoint } from "#failpoint"
import { DamagedMemoryError, newMemoryId, type Machine } from "@opensandbox/vm"
import { Failure } from "../failure.js"
import { pinChain } from "../layers/layer-files.js"
import { damagedMemory } from "../memories/compare-memories.js"
import type { SandboxRow } from "../store/tables.js"
import { guestIdentity, type SandboxMeans } from "./means.js"
import { networkOf } from "./network.js"
import type { SealedMachine } from "./sandbox-store.js"
import { imageOf, sizeOf } from "./size.js"

/** What a machine that is put together again needs of its sandbox. */
type ResumedSandbox = Pick<
  SandboxRow,
  "name" | "created_at" | "image_key" | "network" | "cpus" | "memory_mb" | "disk_bytes"
>

/** The instant at which a machine goes on, and where it writes from then on. */
export interface Resumption {
  /** The layer that shows its disk; null is the blank disk. */
  readonly layer: string | null
  readonly memory: string
  /** An empty layer on top. */
  readonly head: string
}

/**
 * Saves the memory of a machine and seals its disk, both of one instant. Of that the database knows only that a memory is
 * being written, until its caller records the rest.
 *
 * @param halt Whether the guest stands still afterwards.
 * @throws what the machine, the disk or the database failed with; the guest goes on then.
 */
export async function sealMachine(
  machine: Machine,
  means: SandboxMeans,
  halt: boolean,
): Promise<SealedMachine> {
  const { memories, layers, room, metrics } = means
  const id = newMemoryId()
  // Recorded first, so that nobody removes what it rests on meanwhile.
  const parent = await memories.begin(id, machine.template, machine.memory)
  failpoint("memory.announced")
  try {
    await room.holdTemplate(machine.template)
    const head = await layers.find(machine.head)
    const options = { halt, ...(parent !== undefined && { parent }) }
    const { layer, memory, pausedMs } = await machine.sealWhole(id, options)
    failpoint("memory.written")
    metrics.pauseSeconds.observe(pausedMs / 1000)
    const written = { id, bytes: memory.bytes, pages: memory.pages }
    // Nothing was ever written to the head, not even by the start: what it rests on is what the memory counts on.
    if (layer === null) return { memory: written, layer: head?.parent_id ?? null }
    const facts = await room.disk.facts(layer)
    if (facts === undefined) throw new Error(`the file of layer ${layer} is missing`)
    return { memory: written, layer, sealed: { layer, head: machine.head, bytes: facts.bytes } }
  } catch (error) {
    await giveUp(id, means)
    throw error
  }
}

/** Has a memory forgotten that was saved, and that no snapshot is to name after all. */
export async function giveUp(
  memory: string,
  { reserve, memoryRemoval }: Pick<SandboxMeans, "reserve" | "memoryRemoval">,
): Promise<void> {
  // A full disk is the likeliest reason, and that it is forgotten must be recorded there.
  await reserve.giveWhenFull()
  memoryRemoval.abandon(memory)
}

/**
 * Has a machine go on where one was saved, with all that ran in it.
 *
 * @param id The machine's.
 * @param inPlaceOf The machine that ends with it, whose memory need not be there twice.
 * @throws Failure `damaged` when a layer or a memory is, recorded by then; what the start of the machine failed with.
 */
export async function resumeMachine(
  id: string,
  sandbox: ResumedSandbox,
  { layer, memory, head }: Resumption,
  means: SandboxMeans,
  inPlaceOf?: string,
): Promise<Machine> {
  const { room, images, health, memories, log } = means
  const below = await memories.chain(memory)
  const damage = below.find((each) => each.damage !== null)?.damage
  if (damage != null) throw damagedFailure(damage)
  const { chain, release } = await pinChain(means, layer)
  try {
    await health.requireSound(chain)
    const layers = [...chain.map((link) => link.id), head]
    const image = await imageOf(sandbox, images)
    const saved = below.map((each) => each.id)
    return await room.resume(id, image, layers, saved, {
      identity: guestIdentity(sandbox),
      network: networkOf(sandbox),
      size: sizeOf(sandbox),
      inPlaceOf,
    })
  } catch (error) {
    if (!(error instanceof DamagedMemoryError)) throw error
    await memories.setDamage(error.memory, error.damage)
    log.error({ memory: error.memory, damage: error.damage }, damagedMemory)
    throw damagedFailure(error.damage)
  } finally {
    await release()
  }
}

function damagedFailure(damage: string): Failure {
  return new Failure("damaged", `The snapshot's memory is damaged: ${damage}. Its files are not.`)
}
