import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { chmod, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { requireRoom, suiteIsMissing } from "./build-error.js"
import { exists, once } from "./cache.js"
import { CommandError, runCommand, runOwningFiles, runsAsRoot } from "./command.js"
import { findMirror } from "./debian-mirror.js"
import { mmdebstrapArguments } from "./mmdebstrap.js"
import { diskBytes, keyOf, modules, suites, type Suite } from "./recipe.js"
import type { Step } from "./step.js"

const assembleScript = fileURLToPath(new URL("../assemble-system.sh", import.meta.url))

/** What a machine boots from, but for the agent: vmlinuz, modules/, base.raw and blank.qcow2 in `directory`. */
export interface System {
  directory: string
  suite: Suite
  /** Version of the kernel. */
  kernel: string
  /** Hash over the content of all files: two builds of one recipe need not be the same. */
  digest: string
}

/** The system in the cache, built first where it is missing. */
export async function prepareSystem(cacheDirectory: string, step: Step): Promise<System> {
  const parent = join(cacheDirectory, "systems")
  const keys = new Map<Suite, string>()
  for (const suite of suites) keys.set(suite, await systemKey(suite))
  for (const key of keys.values()) {
    if (await exists(join(parent, key))) return readSystem(join(parent, key))
  }
  await requireRoom(cacheDirectory)
  // Fails at once where an ordinary user may not do what the build needs.
  await runOwningFiles("true", [], { minutes: 1 })
  const mirror = await findMirror()
  let missing: unknown
  for (const [suite, key] of keys) {
    try {
      return await readSystem(
        await once(parent, key, (directory) => build(directory, suite, mirror, step), remove),
      )
    } catch (error) {
      if (!(error instanceof CommandError && suiteIsMissing(error))) throw error
      missing = error
    }
  }
  throw missing
}

async function systemKey(suite: Suite): Promise<string> {
  const command = mmdebstrapArguments({ suite, mirror: undefined, asRoot: true, archive: "" })
  return keyOf({ command, script: await readFile(assembleScript, "utf8"), modules, diskBytes })
}

async function build(directory: string, suite: Suite, mirror: string | undefined, step: Step): Promise<void> {
  const archive = join(directory, "system.tar")
  await step(`Debian ${suite}: fetching and installing packages`, () =>
    runCommand("mmdebstrap", mmdebstrapArguments({ suite, mirror, asRoot: runsAsRoot(), archive }), {
      minutes: 60,
    }),
  )
  await step("Kernel, base file system and blank disk", async () => {
    await runOwningFiles("sh", [assembleScript, archive, directory, String(diskBytes), ...modules], {
      minutes: 15,
    })
    await rm(archive)
    await seal(directory, suite)
  })
}

/** Writes down what was built, and makes the files that all sandboxes share read-only. */
async function seal(directory: string, suite: Suite): Promise<void> {
  const versionFile = join(directory, "kernel-version")
  const kernel = (await readFile(versionFile, "utf8")).trim()
  await rm(versionFile)
  const moduleFiles = (await readdir(join(directory, "modules"))).map((name) => join("modules", name))
  const hash = createHash("sha256")
  for (const file of ["vmlinuz", "base.raw", "blank.qcow2", ...moduleFiles.sort()]) {
    hash.update(file)
    for await (const chunk of createReadStream(join(directory, file))) hash.update(chunk as Buffer)
    await chmod(join(directory, file), 0o444)
  }
  const description = { suite, kernel, digest: hash.digest("hex") }
  await writeFile(join(directory, "system.json"), `${JSON.stringify(description, null, 2)}\n`)
}

async function readSystem(directory: string): Promise<System> {
  const description = JSON.parse(await readFile(join(directory, "system.json"), "utf8")) as Omit<
    System,
    "directory"
  >
  return { directory, ...description }
}

/** An ordinary user may not delete, outside of a user namespace, what was unpacked inside one. */
async function remove(directory: string): Promise<void> {
  if (await exists(directory)) await runOwningFiles("rm", ["-rf", directory], { minutes: 5 })
}
