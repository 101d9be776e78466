import { blankNode, within, type Machine } from "@opensandbox/vm"
import type { SandboxRow } from "../store/tables.js"
import type { SandboxMeans } from "./means.js"
import { mergePlan, takesIn } from "./merge-plan.js"

/**
 * Keeps the chain of one sandbox short, in the background and one at a time on this host. A merge that does not get to
 * its end changes nothing that a reader could see; a later one makes up for it.
 */
export class LayerMerger {
  readonly #sandbox: SandboxRow
  readonly #means: SandboxMeans
  #cancel = new AbortController()
  /** Settles when no merge of this sandbox is under way or waits for its turn. */
  #idle: Promise<unknown> = Promise.resolve()
  #running: Promise<void> = Promise.resolve()

  constructor(sandbox: SandboxRow, means: SandboxMeans) {
    this.#sandbox = sandbox
    this.#means = means
  }

  /** Shortens the chain at a layer that was just sealed, if it is one of those that take in others. */
  sealed(machine: Machine, layer: string): void {
    const { signal } = this.#cancel
    const turn = this.#means.merges.add(() => {
      if (!signal.aborted) this.#running = this.#merge(machine, layer, signal)
      return this.#running
    })
    this.#idle = Promise.allSettled([this.#idle, turn])
    turn.catch((error: unknown) => {
      if (signal.aborted || machine.ending) return
      this.#means.log.warn({ sandbox: this.#sandbox.name, layer, err: error }, "layers could not be merged")
    })
  }

  /**
   * Sees to it that the machine writes to no sealed layer's file: waits a little, as most merges take no longer, then
   * breaks off what is under way.
   */
  async stop(graceMilliseconds: number): Promise<void> {
    await within(graceMilliseconds, "the merging of layers", this.#idle).catch(() => {
      this.#cancel.abort()
      this.#cancel = new AbortController()
    })
    await Promise.allSettled([this.#running])
  }

  async #merge(machine: Machine, layer: string, cancelled: AbortSignal): Promise<void> {
    const { store, images, room } = this.#means
    // Most layers take in nothing, and reading all of a sandbox's layers takes longer the more there are.
    if (!takesIn(await store.layerNumber(layer))) return
    const plan = mergePlan(await store.layers(this.#sandbox.id), layer)
    if (plan === undefined) return
    const image = await images.get(this.#sandbox.image_key)
    const base = plan.base ?? undefined
    const baseFile = room.disk.nameFor(base, image)
    await machine.merge({ layer, between: plan.between, base: base ?? blankNode, baseFile }, cancelled)
    await store.setParent(layer, plan.base)
  }
}
