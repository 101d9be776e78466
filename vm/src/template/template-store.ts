import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import type { Accelerator } from "../accelerator/accelerator.js"
import { probeAccelerator } from "../accelerator/probe.js"
import { rememberChoice, rememberedChoice, type AcceleratorChoice } from "../accelerator/remembered-choice.js"
import type { Image } from "../image.js"
import type { MachineSize } from "../machine/size.js"
import { identifyHost, templateKey, type HostIdentity, type TemplateRecipe } from "./template-key.js"
import { findTemplate, makeTemplate, type Template } from "./template.js"
import { markUsed, removeUnused } from "./unused-templates.js"

/** A guest comes up in about 1 s on a processor that runs it and in 3 s under emulation. */
const bootMilliseconds: Record<Accelerator, number> = { kvm: 10_000, tcg: 120_000 }

/**
 * Finds or makes the template of an image. Templates and the answer to "which accelerator works here?" are kept in the
 * cache directory, for all servers of this user; losing it costs a boot.
 */
export class TemplateStore {
  readonly choice: AcceleratorChoice
  /** Of the templates, by their keys. */
  readonly directory: string
  readonly #host: HostIdentity
  readonly #templates = new Map<string, Promise<Template>>()

  private constructor(directory: string, host: HostIdentity, choice: AcceleratorChoice) {
    this.directory = directory
    this.#host = host
    this.choice = choice
  }

  /**
   * Finds out which accelerator works, by booting `image` unless the answer is remembered.
   *
   * @param size Of the machine that is booted for it, and so of the first template.
   * @throws Error when QEMU is not installed.
   */
  static async open(cacheDirectory: string, image: Image, size: MachineSize): Promise<TemplateStore> {
    const directory = join(cacheDirectory, "templates")
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const host = await identifyHost()
    const memory = join(cacheDirectory, "accelerator.json")
    const remembered = await rememberedChoice(memory, host)
    if (remembered !== undefined) return new TemplateStore(directory, host, remembered)
    const choice = await probeAccelerator(async (accelerator) => {
      const recipe = { accelerator, image, ...size, network: false }
      await makeTemplate(directory, templateKey(recipe, host), recipe, bootMilliseconds[accelerator])
    })
    await rememberChoice(memory, host, choice)
    return new TemplateStore(directory, host, choice)
  }

  /** Whether what was saved of a template's clones loads here: it is as one that would be made here and now. */
  fits(template: Template): boolean {
    return templateKey(template, this.#host) === template.key
  }

  /**
   * The template of an image; the first call boots it unless it is in the cache. A failure is tried again at the next call.
   *
   * @param network Whether its clones have a network device, which takes a template of its own.
   * @param size Each takes one of its own, too.
   */
  async get(image: Image, network: boolean, { cpus, memoryMiB }: MachineSize): Promise<Template> {
    const recipe = { accelerator: this.choice.accelerator, image, cpus, memoryMiB, network }
    const known = this.#remembered(recipe)
    const template = await known
    if (await markUsed(template)) return template
    // It went with the cache, or because others were used more.
    const name = nameOf(recipe)
    if (this.#templates.get(name) === known) this.#templates.delete(name)
    return this.#remembered(recipe)
  }

  #remembered(recipe: TemplateRecipe): Promise<Template> {
    const name = nameOf(recipe)
    let template = this.#templates.get(name)
    if (template === undefined) {
      template = this.#findOrMake(recipe)
      this.#templates.set(name, template)
      template.catch(() => this.#templates.delete(name))
    }
    return template
  }

  async #findOrMake(recipe: TemplateRecipe): Promise<Template> {
    const key = templateKey(recipe, this.#host)
    const found = await findTemplate(this.directory, key, recipe)
    if (found !== undefined) return found
    await removeUnused(this.directory)
    return makeTemplate(this.directory, key, recipe, bootMilliseconds[recipe.accelerator])
  }
}

function nameOf({ image, network, cpus, memoryMiB }: TemplateRecipe): string {
  return `${image.key} ${network} ${cpus} ${memoryMiB}`
}
