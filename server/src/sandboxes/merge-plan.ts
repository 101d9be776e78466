import type { LayerRow } from "../store/tables.js"
import { chainOf } from "./chain.js"

/** A layer with a number that this divides takes in the layers since the one with the number before it. */
const step = 8

/** Whether a layer is one of those that take in others. */
export function takesIn(number: number): boolean {
  return number > 0 && number % step === 0
}

/** How to shorten a chain at its newest sealed layer. */
export interface MergePlan {
  /** The layers that it takes in, from the oldest to the newest. Their own files stay, for the snapshots that name them. */
  readonly between: readonly string[]
  /** What it rests on afterwards; null is the image's blank disk. */
  readonly base: string | null
}

/**
 * What a layer that was just sealed should take in, so that chains stay short however many snapshots there are. Layers
 * are numbered from the blank disk up. One whose number is a multiple of 8 comes to rest on the one 8 before it, a
 * multiple of 64 on the one 64 before, and so on: the chain of layer n is as long as the sum of n's digits in base 8,
 * at most 7 for each digit, and each block is copied once for each digit.
 *
 * @returns undefined when there is nothing to do.
 */
export function mergePlan(layers: readonly LayerRow[], sealed: string): MergePlan | undefined {
  const numbers = new Map(layers.map((layer) => [layer.id, layer.number]))
  const chain = chainOf(layers, sealed)
  const number = numbers.get(sealed) ?? 0
  const target = number - reachOf(number)
  // A merge that did not happen leaves layers that this one then takes in as well.
  const base = chain.findLastIndex((layer) => (numbers.get(layer) ?? 0) <= target)
  const between = chain.slice(base + 1, -1)
  return between.length === 0 ? undefined : { between, base: chain[base] ?? null }
}

/** The largest power of 8 that divides the number. */
function reachOf(number: number): number {
  let reach = 1
  while (number > 0 && number % (reach * step) === 0) reach *= step
  return reach
}
