import { access, mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises"
import { homedir } from "node:os"
import { join } from "node:path"

/** Where images are kept: `OPENSANDBOX_CACHE_DIR`, else `opensandbox` in the user's cache directory. */
export function defaultCacheDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  const userCache = environment["XDG_CACHE_HOME"] ?? join(homedir(), ".cache")
  return environment["OPENSANDBOX_CACHE_DIR"] ?? join(userCache, "opensandbox")
}

/** The directory of the newest image in the cache, or undefined when none has been built. */
export async function currentImage(cacheDirectory: string): Promise<string | undefined> {
  const images = join(cacheDirectory, "images")
  const key = await readFile(join(images, "current"), "utf8").catch(() => undefined)
  if (key === undefined || !/^[0-9a-f]+$/.test(key.trim())) return undefined
  const directory = join(images, key.trim())
  return (await exists(join(directory, "image.json"))) ? directory : undefined
}

/** Makes the image of this key the one that {@link currentImage} finds. */
export async function setCurrentImage(cacheDirectory: string, key: string): Promise<void> {
  const file = join(cacheDirectory, "images", "current")
  await writeFile(`${file}.${process.pid}`, `${key}\n`)
  await rename(`${file}.${process.pid}`, file)
}

export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

/**
 * Gives `parent/key`, which is made by `build` under a temporary name unless it is there already: it appears whole
 * or not at all, whichever of several processes comes first.
 * @param remove deletes a directory that holds what an unfinished build left
 */
export async function once(
  parent: string,
  key: string,
  build: (directory: string) => Promise<void>,
  remove: (directory: string) => Promise<void>,
): Promise<string> {
  const finished = join(parent, key)
  if (await exists(finished)) return finished
  await mkdir(parent, { recursive: true })
  await removeAbandoned(parent, remove)
  const building = join(parent, `.building-${process.pid}`)
  await mkdir(building)
  try {
    await build(building)
    await rename(building, finished).catch(async (error: unknown) => {
      if (!(await exists(finished))) throw error
    })
  } finally {
    await remove(building)
  }
  return finished
}

/** Deletes what builds left whose process is gone. */
async function removeAbandoned(parent: string, remove: (directory: string) => Promise<void>): Promise<void> {
  for (const name of await readdir(parent)) {
    const pid = Number(/^\.building-(\d+)$/.exec(name)?.[1] ?? 0)
    if (pid !== 0 && (pid === process.pid || !isRunning(pid))) await remove(join(parent, name))
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"
  }
}
