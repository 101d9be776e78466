import { createHash } from "node:crypto"
import { link, mkdir, readFile, rm, writeFile } from "node:fs/promises"
import { userInfo } from "node:os"
import { join } from "node:path"
import { explain } from "./build-error.js"
import { once, setCurrentImage } from "./cache.js"
import { CommandError } from "./command.js"
import { initramfsVersion, writeInitramfs } from "./initramfs.js"
import { diskBytes, keyOf } from "./recipe.js"
import type { Step } from "./step.js"
import { prepareSystem, type System } from "./system.js"

export interface ImageRequest {
  cacheDirectory: string
  /** The static Linux program that becomes /init of every machine. */
  agentBinary: string
  step: Step
}

/**
 * The directory of the image with this agent, which becomes the cache's current one. What is in the cache is not built
 * again: another agent costs a new initramfs, nothing more.
 * @throws BuildError that says what to do
 */
export async function buildImage({ cacheDirectory, agentBinary, step }: ImageRequest): Promise<string> {
  try {
    await mkdir(cacheDirectory, { recursive: true, mode: 0o700 })
    const system = await prepareSystem(cacheDirectory, step)
    const agent = createHash("sha256")
      .update(await readFile(agentBinary))
      .digest("hex")
    const key = keyOf({ system: system.digest, agent, initramfsVersion })
    const build = (directory: string) =>
      step("Initramfs with the agent", () => assemble(directory, key, system, agentBinary))
    const image = await once(join(cacheDirectory, "images"), key, build, (directory) =>
      rm(directory, { recursive: true, force: true }),
    )
    await setCurrentImage(cacheDirectory, key)
    return image
  } catch (error) {
    throw error instanceof CommandError
      ? explain(error, { cacheDirectory, user: userInfo().username })
      : error
  }
}

async function assemble(directory: string, key: string, system: System, agentBinary: string): Promise<void> {
  for (const file of ["vmlinuz", "base.raw", "blank.qcow2"]) {
    await link(join(system.directory, file), join(directory, file))
  }
  await writeInitramfs(
    {
      agentBinary,
      modulesDirectory: join(system.directory, "modules"),
      target: join(directory, "initramfs"),
    },
    join(directory, "scratch"),
  )
  const description = {
    key,
    kernel: system.kernel,
    suite: system.suite,
    diskBytes,
    builtAt: new Date().toISOString(),
  }
  await writeFile(join(directory, "image.json"), `${JSON.stringify(description, null, 2)}\n`)
}
