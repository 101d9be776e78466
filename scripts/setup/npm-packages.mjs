// @ts-check
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { repository } from "./repository.mjs"
import { run, step } from "./step.mjs"

/** @typedef {Record<string, { version?: string, integrity?: string, optional?: boolean }>} Packages */

/** Installs the npm packages unless node_modules holds what the lock file says. */
export async function installNpmPackages() {
  if (isInstalled()) return
  await step("npm packages", () => run("npm", ["ci"], { minutes: 15 }))
}

/** npm writes down what it installed, whole installations only, in a lock file inside node_modules. */
function isInstalled() {
  const installedFile = join(repository, "node_modules", ".package-lock.json")
  if (!existsSync(installedFile)) return false
  const installed = packagesOf(installedFile)
  return Object.entries(packagesOf(join(repository, "package-lock.json"))).every(([path, wanted]) => {
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
