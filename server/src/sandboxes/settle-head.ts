import type { LayerRow, SandboxRow } from "../store/tables.js"
import type { SandboxMeans } from "./means.js"
import { imageOf } from "./size.js"

/**
 * Finds out which layer a machine that has ended wrote to last: the head, or, when the server or the machine died in the
 * middle of a snapshot, the one that was ready to follow it.
 *
 * @throws Error when the sandbox has no head.
 */
export async function settleHead(sandbox: SandboxRow, means: SandboxMeans): Promise<LayerRow> {
  const { layers, room, images } = means
  const [head, ...ready] = await layers.writable(sandbox.id)
  if (head?.state !== "head") throw new Error("the sandbox has no head")
  const image = await imageOf(sandbox, images)
  let settled = head
  for (const next of ready) {
    if ((await room.disk.facts(next.id)) !== undefined && (await room.disk.holdsData(next.id, image))) {
      await layers.advanceHead(settled.id, next.id, null)
      settled = { ...next, state: "head" }
    } else {
      await layers.removeNext(next.id)
      await room.disk.remove(next.id)
    }
  }
  return settled
}
