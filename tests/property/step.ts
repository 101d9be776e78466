import fc from "fast-check"
import { change, type Change } from "./file-tree.js"

/** Something to do with one of the sandboxes that there are; see {@link picked} for which. */
export interface Step {
  readonly box: number
  readonly action: Action
}

/** What is done. */
export type Action =
  | { readonly kind: "run"; readonly change: Change; readonly recorded: boolean }
  | { readonly kind: "wipe" }
  | { readonly kind: "remember"; readonly mark: number }
  | { readonly kind: "snapshot"; readonly label: string | undefined; readonly memory: boolean }
  | { readonly kind: "restore"; readonly to: Reference; readonly keep: boolean }
  | { readonly kind: "undo" }
  | { readonly kind: "delete"; readonly snapshot: Reference }
  | { readonly kind: "fork"; readonly from: Reference | undefined; readonly memory: boolean }
  | { readonly kind: "keep-last"; readonly count: number | null }
  | { readonly kind: "pause"; readonly thenWake: boolean }
  | { readonly kind: "destroy" }
  | { readonly kind: "restart"; readonly inOrder: boolean }

/** One of a sandbox's snapshots, by its label if it has one and that is wanted. */
export interface Reference {
  readonly place: number
  readonly byLabel: boolean
}

const reference = fc.record({ place: fc.nat(), byLabel: fc.boolean() })
/** So few that they meet. */
const label = fc.constantFrom("v1", "v2", "good.one")
/** So few that limits come into force. */
const count = fc.integer({ min: 1, max: 6 })

const action: fc.Arbitrary<Action> = fc.oneof(
  often(26, { kind: fc.constant("run"), change, recorded: fc.constant(true) }),
  often(4, { kind: fc.constant("run"), change, recorded: fc.constant(false) }),
  often(2, { kind: fc.constant("wipe") }),
  often(3, { kind: fc.constant("remember"), mark: fc.nat() }),
  often(5, {
    kind: fc.constant("snapshot"),
    label: fc.option(label, { nil: undefined }),
    memory: fc.boolean(),
  }),
  often(4, { kind: fc.constant("restore"), to: reference, keep: fc.constant(false) }),
  often(1, { kind: fc.constant("restore"), to: reference, keep: fc.constant(true) }),
  often(3, { kind: fc.constant("undo") }),
  often(6, { kind: fc.constant("delete"), snapshot: reference }),
  often(4, {
    kind: fc.constant("fork"),
    from: fc.option(reference, { nil: undefined }),
    memory: fc.boolean(),
  }),
  often(2, { kind: fc.constant("keep-last"), count: fc.option(count) }),
  often(3, { kind: fc.constant("pause"), thenWake: fc.boolean() }),
  often(2, { kind: fc.constant("destroy") }),
  often(1, { kind: fc.constant("restart"), inOrder: fc.boolean() }),
)

/** A random step. */
export const step: fc.Arbitrary<Step> = fc.record({ box: fc.nat(), action })

/** Which one of some a plan means, which was made before there were any. @throws Error when there are none. */
export function picked<T>(from: readonly T[], pick: number): T {
  const found = from[pick % from.length]
  if (found === undefined) throw new Error("there is nothing to pick from")
  return found
}

function often<T>(weight: number, fields: { [Field in keyof T]: fc.Arbitrary<T[Field]> }) {
  return { weight, arbitrary: fc.record(fields) }
}
