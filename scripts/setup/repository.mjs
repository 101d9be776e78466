// @ts-check
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

/** The repository's root directory. */
export const repository = fileURLToPath(new URL("../..", import.meta.url))

/**
 * Does `work` unless it was done for the same sources before and its results are still there.
 * @param {{ stamp: string, sources: string[], results: string[] }} job `stamp`: the file that remembers the sources
 * @param {() => Promise<void>} work
 */
export async function whenChanged({ stamp, sources, results }, work) {
  const fingerprint = fingerprintOf(sources)
  const done = existsSync(stamp) && readFileSync(stamp, "utf8") === fingerprint
  if (done && results.every((result) => existsSync(result))) return
  await work()
  mkdirSync(dirname(stamp), { recursive: true })
  writeFileSync(stamp, fingerprint)
}

/**
 * The files below these directories, sorted, without what is made from them, tests and their data.
 * @param {string[]} directories
 * @param {RegExp} name
 */
export function sourcesBelow(directories, name) {
  const madeOrTest = /(^|\/)(node_modules|dist|build|testdata)(\/|$)|\.test\.ts$|_test\.go$/
  /** @type {(directory: string) => string[]} */
  const walk = (directory) =>
    readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
      const path = join(directory, entry.name)
      if (madeOrTest.test(path.slice(repository.length))) return []
      if (entry.isDirectory()) return walk(path)
      return name.test(entry.name) ? [path] : []
    })
  return directories.flatMap((directory) => walk(join(repository, directory))).sort()
}

/** @param {string[]} files */
function fingerprintOf(files) {
  const hash = createHash("sha256")
  for (const file of files) {
    const content = readFileSync(file)
    hash.update(`${file.slice(repository.length)} ${content.length}\n`).update(content)
  }
  return hash.digest("hex")
}
