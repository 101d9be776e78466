import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import type { Accelerator } from "../accelerator/accelerator.js"
import { probeAccelerator } from "../accelerator/probe.js"
import { rememberChoice, rememberedChoice, type AcceleratorChoice } from "../accelerator/remembered-choice.js"
import type { Image } from "../image.js"
import { identifyHost, templateKey, type HostIdentity } from "./template-key.js"
import { findTemplate, makeTemplate, type Template } from "./template.js"

/** A guest comes up in about 1 s on a processor that runs it and in 3 s under emulation. */
const bootMilliseconds: Record<Accelerator, number> = { kvm: 10_000, tcg: 120_000 }

/**
 * Finds or makes the template of an image. Templates and the answer to "which accelerator works here?" are kept in the
 * cache directory, for all servers of this user; losing it costs a boot.
 */
export class TemplateStore {
  readonly choice: AcceleratorChoice
  readonly #directory: string
  readonly #host: HostIdentity
  readonly #memoryMiB: number
  readonly #templates = new Map<string, Promise<Template>>()

  private constructor(directory: string, host: HostIdentity, memoryMiB: number, choice: AcceleratorChoice) {
    this.#directory = directory
    this.#host = host
    this.#memoryMiB = memoryMiB
    this.choice = choice
  }

  /**
   * Finds out which accelerator works, by booting `image` unless the answer is remembered.
   *
   * @throws Error when QEMU is not installed.
   */
  static async open(cacheDirectory: string, image: Image, memoryMiB: number): Promise<TemplateStore> {
    const directory = join(cacheDirectory, "templates")
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const host = await identifyHost()
    const memory = join(cacheDirectory, "accelerator.json")
    const remembered = await rememberedChoice(memory, host)
    if (remembered !== undefined) return new TemplateStore(directory, host, memoryMiB, remembered)
    const choice = await probeAccelerator(async (accelerator) => {
      const recipe = { accelerator, image, memoryMiB, network: false }
      await makeTemplate(directory, templateKey(recipe, host), recipe, bootMilliseconds[accelerator])
    })
    await rememberChoice(memory, host, choice)
    return new TemplateStore(directory, host, memoryMiB, choice)
  }

  /**
   * The template of an image; the first call boots it unless it is in the cache. A failure is tried again at the next call.
   *
   * @param network Whether its clones have a network device, which takes a template of its own.
   */
  get(image: Image, network: boolean): Promise<Template> {
    const name = `${image.key} ${network}`
    let template = this.#templates.get(name)
    if (template === undefined) {
      template = this.#findOrMake(image, network)
      this.#templates.set(name, template)
      template.catch(() => this.#templates.delete(name))
    }
    return template
  }

  async #findOrMake(image: Image, network: boolean): Promise<Template> {
    const recipe = { accelerator: this.choice.accelerator, image, memoryMiB: this.#memoryMiB, network }
    const key = templateKey(recipe, this.#host)
    return (
      (await findTemplate(this.#directory, key, recipe)) ??
      makeTemplate(this.#directory, key, recipe, bootMilliseconds[recipe.accelerator])
    )
  }
}
