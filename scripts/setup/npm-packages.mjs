// @ts-check
import { existsSync, readFileSync } from "node:fs"
import { join, relative } from "node:path"
import { repository } from "./repository.mjs"
import { run, step } from "./step.mjs"

/** @typedef {Record<string, { version?: string, integrity?: string, optional?: boolean }>} Packages */

/**
 * Installs the npm packages of a directory unless its node_modules holds what its lock file says.
 * @param {string} directory
 */
export async function installNpmPackages(directory) {
  if (isInstalled(directory)) return
  const place = relative(repository, directory)
  await step(`npm packages${place && ` of ${place}`}`, () =>
    run("npm", ["ci"], { minutes: 15, cwd: directory }),
  )
}

/**
 * npm writes down what it installed, whole installations only, in a lock file inside node_modules.
 * @param {string} directory
 */
function isInstalled(directory) {
  const installedFile = join(directory, "node_modules", ".package-lock.json")
  if (!existsSync(installedFile)) return false
  const installed = packagesOf(installedFile)
  return Object.entries(packagesOf(join(directory, "package-lock.json"))).every(([path, wanted]) => {
    const found = installed[path]
    if (path === "") return true
    // Optional packages are those of other platforms.
    if (found === undefined) return wanted.optional === true
    return found.version === wanted.version && found.integrity === wanted.integrity
  })
}

/**
 * @param {string} lockFile
 * @returns {Packages}
 */
function packagesOf(lockFile) {
  return /** @type {{ packages: Packages }} */ (JSON.parse(readFileSync(lockFile, "utf8"))).packages
}
