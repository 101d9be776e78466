import { failpoint } from "#failpoint"
import { newLayerId, type Machine } from "@opensandbox/vm"
import type { SandboxRow } from "../store/tables.js"
import type { SandboxMeans } from "./means.js"
import { imageOf } from "./size.js"

/** Keeps an empty layer ready on top of a machine's head, so that a snapshot need not wait for one to be made. */
export class NextLayer {
  readonly #sandbox: SandboxRow
  readonly #means: SandboxMeans
  /** Settles when the layer is ready, or could not be made. */
  #made: Promise<void> = Promise.resolve()

  constructor(sandbox: SandboxRow, means: SandboxMeans) {
    this.#sandbox = sandbox
    this.#means = means
  }

  /** Makes a layer in the background. */
  make(machine: Machine): void {
    this.#made = this.#prepare(machine).catch((error: unknown) => {
      // Whoever needs the layer tries again and is told; a machine that is ending needs none.
      const { log } = this.#means
      log.debug({ sandbox: this.#sandbox.name, err: error }, "no layer is ready for the next snapshot")
    })
  }

  /** Waits for the layer, and makes it now if it could not be made before. */
  async ready(machine: Machine): Promise<void> {
    await this.#made
    if (!machine.prepared) await this.#prepare(machine)
  }

  /** Waits until none is in the making. */
  async idle(): Promise<void> {
    await this.#made
  }

  async #prepare(machine: Machine): Promise<void> {
    const { layers, room, images } = this.#means
    const { id, image_key } = this.#sandbox
    const layer = newLayerId()
    // Recorded first: a machine that is found on a layer after a crash is found on one that is known.
    await layers.addNext(id, image_key, layer, machine.head)
    failpoint("next.recorded")
    try {
      await room.disk.create(layer, machine.head, await imageOf(this.#sandbox, images))
      failpoint("next.made")
      await machine.prepare(layer, room.disk.path(layer))
    } catch (error) {
      await room.disk.remove(layer)
      await layers.removeNext(layer)
      throw error
    }
  }
}
