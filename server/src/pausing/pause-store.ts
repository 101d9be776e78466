import { advanceHead, insertLayer, removeWritable } from "../layers/layer-rows.js"
import { collectMemories, finishMemory } from "../memories/memory-rows.js"
import type { SealedMachine } from "../sandboxes/sandbox-store.js"
import type { Database } from "../store/database.js"

/** What a paused sandbox goes on with. */
interface Resumption {
  /** The machine that runs already. */
  readonly machineId: string
  /** The empty layer that it writes to, on what the sandbox was paused with. */
  readonly head: string
  /** What was lost; null when nothing was. */
  readonly degraded: string | null
}

/** What nothing needs any more: forgotten already, and the files may be removed. */
interface Released {
  readonly layers: string[]
  readonly memories: string[]
}

/** What the database knows of pauses. Each method is one transaction. */
export class PauseStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** A sandbox has no machine any more, and a memory that belongs to the disk as its head's parent shows it. */
  async pause(
    sandboxId: number,
    { memory, sealed }: Pick<SealedMachine, "memory" | "sealed">,
  ): Promise<void> {
    await this.#database.transaction().execute(async (transaction) => {
      if (sealed !== undefined) await advanceHead(transaction, sealed.layer, sealed.head, sealed.bytes)
      await finishMemory(transaction, memory)
      await transaction
        .updateTable("sandboxes")
        .set({ machine_id: null, paused_memory_id: memory.id, degraded: null })
        .where("id", "=", sandboxId)
        .execute()
    })
  }

  /** What a sandbox was paused with: its memory, and the layer that its head rests on; null is the blank disk. */
  async find(sandboxId: number): Promise<{ memory: string; layer: string | null }> {
    const { memory, layer } = await this.#database
      .selectFrom("sandboxes")
      .innerJoin("layers", "layers.sandbox_id", "sandboxes.id")
      .select(["paused_memory_id as memory", "layers.parent_id as layer"])
      .where("sandboxes.id", "=", sandboxId)
      .where("layers.state", "=", "head")
      .executeTakeFirstOrThrow()
    if (memory === null) throw new Error("the sandbox is not paused")
    return { memory, layer }
  }

  /** A machine goes on where a sandbox was paused. @returns what was only needed for that. */
  resume(sandboxId: number, { machineId, head, degraded }: Resumption): Promise<Released> {
    return this.#database.transaction().execute(async (transaction) => {
      const written = await removeWritable(transaction, sandboxId)
      const before = written.find((row) => row.state === "head")
      if (before === undefined) throw new Error("the sandbox has no head")
      const { parent_id, image_key } = before
      await insertLayer(transaction, { id: head, parent_id, image_key, state: "head", sandbox_id: sandboxId })
      const { memory } = await transaction
        .selectFrom("sandboxes")
        .select("paused_memory_id as memory")
        .where("id", "=", sandboxId)
        .executeTakeFirstOrThrow()
      await transaction
        .updateTable("sandboxes")
        .set({ machine_id: machineId, paused_memory_id: null, degraded })
        .where("id", "=", sandboxId)
        .execute()
      const memories = await collectMemories(transaction, [memory])
      return { layers: written.map((row) => row.id), memories }
    })
  }
}
