import type { Fingerprint } from "@opensandbox/vm"
import { Failure } from "../failure.js"
import type { LayerRow } from "../store/tables.js"
import type { LayerMeans } from "./layer-means.js"

/**
 * Sees to it that no layer is used whose file is not what it was when it was sealed. A look at length and time of the
 * file is enough as long as they are those that were recorded; where they are not, the content's checksum decides.
 */
export class LayerHealth {
  readonly #means: LayerMeans

  constructor(means: LayerMeans) {
    this.#means = means
  }

  /**
   * Looks at layers before they are opened. Damage that it finds is recorded and logged.
   *
   * @throws Failure `damaged` that names the first layer that is.
   */
  async requireSound(layers: readonly LayerRow[]): Promise<void> {
    for (const layer of layers) {
      const damage = layer.damage ?? (await this.examine(layer))
      if (damage !== undefined) throw damaged(layer.id, damage)
    }
  }

  /** Reads all of the layers and compares their checksums. @throws as `requireSound`. */
  async requireSameContent(layers: readonly LayerRow[]): Promise<void> {
    await this.requireSound(layers)
    for (const layer of layers) {
      if (layer.checksum === null) continue
      const damage = differenceOf(layer, await this.#means.room.disk.fingerprint(layer.id))
      if (damage === undefined) continue
      await this.#report(layer, damage)
      throw damaged(layer.id, damage)
    }
  }

  /**
   * Looks at one layer.
   *
   * @returns what is wrong with it, recorded by then; undefined when nothing is.
   */
  async examine(layer: LayerRow): Promise<string | undefined> {
    const damage = await this.#damageOf(layer)
    if (damage !== undefined) await this.#report(layer, damage)
    else if (layer.damage !== null) await this.#means.layers.setDamage(layer.id, null)
    return damage
  }

  /** Looks closely at a layer that was written to shortly before everything came to a sudden end. */
  async examineStructure(layer: LayerRow): Promise<string | undefined> {
    const damage = (await this.examine(layer)) ?? (await this.#means.room.disk.flaw(layer.id))
    if (damage !== undefined) await this.#report(layer, damage)
    return damage
  }

  async #damageOf(layer: LayerRow): Promise<string | undefined> {
    const { layers, room } = this.#means
    const { disk } = room
    const facts = await disk.facts(layer.id)
    if (facts === undefined) return "its file is missing"
    // With nothing to compare it with, one that was sound stays so, and one that was damaged has to be sound in itself.
    if (layer.state !== "sealed" || layer.checksum === null)
      return layer.damage === null ? undefined : disk.flaw(layer.id)
    if (facts.length === layer.length && facts.modifiedUs === layer.modified_us) return undefined
    // A copy of the data directory, for instance, has other times and the same content.
    const now = await disk.fingerprint(layer.id)
    const damage = differenceOf(layer, now)
    if (damage === undefined) {
      await layers.setFingerprint(layer.id, now)
      return undefined
    }
    // Compaction may have replaced the file since the layer was looked up.
    const latest = await layers.find(layer.id)
    return latest === undefined || latest.checksum === layer.checksum ? damage : this.#damageOf(latest)
  }

  async #report(layer: LayerRow, damage: string): Promise<void> {
    await this.#means.layers.setDamage(layer.id, damage)
    this.#means.log.error(
      { layer: layer.id, file: this.#means.room.disk.path(layer.id), damage },
      "a layer is damaged: the snapshots that rest on it cannot be restored",
    )
  }
}

function differenceOf(layer: LayerRow, now: Fingerprint): string | undefined {
  if (now.checksum === layer.checksum) return undefined
  if (layer.length !== null && now.length < layer.length)
    return `its file was truncated to ${now.length} of ${layer.length} bytes`
  return "its file's content was changed by something else than OpenSandbox"
}

function damaged(layer: string, damage: string): Failure {
  return new Failure(
    "damaged",
    `Layer ${layer} of the snapshot is damaged: ${damage}. Snapshots that do not rest on it are unharmed; put the file back from a backup, or restore one of those.`,
  )
}
