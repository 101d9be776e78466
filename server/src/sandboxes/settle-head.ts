import type { LayerDirectory } from "@opensandbox/vm"
import type { SandboxStore } from "./sandbox-store.js"

/**
 * Finds out which layer a machine that has ended wrote to last: the head, or, when the server or the machine died in the
 * middle of a snapshot, the one that was ready to follow it.
 *
 * @throws Error when the sandbox has no head.
 */
export async function settleHead(
  sandboxId: number,
  store: SandboxStore,
  disk: LayerDirectory,
): Promise<string> {
  const layers = await store.layers(sandboxId)
  const head = layers.find((layer) => layer.state === "head")
  if (head === undefined) throw new Error("the sandbox has no head")
  const files = new Set(await disk.list())
  let settled = head.id
  for (const { id } of layers.filter((layer) => layer.state === "next")) {
    if (files.has(id) && (await disk.holdsData(id))) {
      await store.advanceHead(settled, id)
      settled = id
    } else {
      await store.removeLayer(id)
      await disk.remove(id)
    }
  }
  return settled
}
