import type { MachineRoom } from "@opensandbox/vm"
import type { MemoryRow } from "../store/tables.js"
import type { MemoryMeans } from "./memory-means.js"

/**
 * Removes the files of memories that no record names, and the templates that none needs, and reports (never hides) those
 * whose file is missing or is not what was recorded. What a file holds is looked at when it is used.
 */
export async function compareMemories({ memories, room, log }: MemoryMeans): Promise<void> {
  await room.memories.removeUnfinished()
  await memories.collect()
  const recorded = await memories.all()
  const known = new Set(recorded.map((memory) => memory.id))
  for (const file of await room.memories.list()) if (!known.has(file)) await room.memories.remove(file)
  for (const memory of recorded) {
    const damage = await damageOf(memory, room)
    if (damage === memory.damage) continue
    await memories.setDamage(memory.id, damage)
    if (damage !== null) log.error({ memory: memory.id, damage }, damagedMemory)
  }
  await room.releaseTemplates(() => memories.templates())
}

/** What the log says of a memory that was found damaged. */
export const damagedMemory =
  "a memory is damaged: a restore of the snapshots that rest on it brings back their files alone"

async function damageOf(memory: MemoryRow, room: MachineRoom): Promise<string | null> {
  const facts = await room.memories.facts(memory.id)
  if (facts === undefined) return (await room.memories.examine(memory.id)) ?? null
  if (facts.parent !== memory.parent_id || facts.template !== memory.template)
    return "its file is that of another memory"
  // One that was damaged may have been put back from a backup.
  return memory.damage === null ? null : ((await room.memories.examine(memory.id)) ?? null)
}
