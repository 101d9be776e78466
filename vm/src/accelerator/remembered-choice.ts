import { readFile, rename, writeFile } from "node:fs/promises"
import { isDeepStrictEqual } from "node:util"
import { z } from "zod"
import type { HostIdentity } from "../template/template-key.js"
import type { Accelerator } from "./accelerator.js"

/** What was found out about a host's accelerators, and why. */
export interface AcceleratorChoice {
  readonly accelerator: Accelerator
  /** For people: why it is not a faster one; empty when it is the fastest. */
  readonly reason: string
}

const rememberedFile = z.object({
  host: z.object({ qemu: z.string(), processor: z.string(), kernel: z.string() }),
  accelerator: z.enum(["kvm", "tcg"]),
  reason: z.string(),
})

/** The answer of an earlier probe; undefined when there is none for this host as it is now. */
export async function rememberedChoice(
  file: string,
  host: HostIdentity,
): Promise<AcceleratorChoice | undefined> {
  try {
    const { host: then, ...choice } = rememberedFile.parse(JSON.parse(await readFile(file, "utf8")))
    return isDeepStrictEqual(then, host) ? choice : undefined
  } catch {
    // No answer, or one from another version: the probe is run again.
    return undefined
  }
}

export async function rememberChoice(
  file: string,
  host: HostIdentity,
  choice: AcceleratorChoice,
): Promise<void> {
  const text = JSON.stringify({ host, ...choice }, undefined, 2)
  const temporary = `${file}.${process.pid}`
  await writeFile(temporary, `${text}\n`)
  await rename(temporary, file)
}
