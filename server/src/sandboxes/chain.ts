import type { LayerRow } from "../store/tables.js"

/**
 * The layers that a layer rests on, from the oldest to itself.
 *
 * @param top null for the image's blank disk, which rests on nothing.
 * @throws Error when a layer is missing from `layers`.
 */
export function chainOf(layers: readonly LayerRow[], top: string | null): string[] {
  const byId = new Map(layers.map((layer) => [layer.id, layer]))
  const chain: string[] = []
  for (let id = top; id !== null;) {
    const layer = byId.get(id)
    if (layer === undefined || chain.length > layers.length) throw new Error(`layer ${id} is not recorded`)
    chain.push(id)
    id = layer.parent_id
  }
  return chain.reverse()
}
