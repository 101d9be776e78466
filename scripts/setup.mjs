// @ts-check
// Makes a fresh clone ready to run: Debian packages, npm packages, TypeScript, the agent and the image.
// It uses nothing but Node, and a second run does nothing.
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { installHostPackages } from "./setup/host-packages.mjs"
import { installNpmPackages } from "./setup/npm-packages.mjs"
import { agentBinary, buildAgent, buildPackages } from "./setup/programs.mjs"
import { repository } from "./setup/repository.mjs"
import { SetupError, step, stepsTaken } from "./setup/step.mjs"

/**
 * Does what of the set-up is not done yet; ends the process, saying what to do, where it cannot.
 * @param {{ forTests?: boolean }} options `forTests`: also what only the tests need, a browser and other runtimes
 */
export async function setUp({ forTests = false } = {}) {
  const start = Date.now()
  try {
    checkPlatform()
    await installHostPackages({ forTests })
    await installNpmPackages(repository)
    if (forTests) await installNpmPackages(join(repository, "tests", "runtimes"))
    await buildPackages()
    await buildAgent()
    await buildImage()
  } catch (error) {
    const foreseen = error instanceof Error && (error instanceof SetupError || error.name === "BuildError")
    console.error(foreseen ? error.message : error)
    process.exit(1)
  }
  const seconds = ((Date.now() - start) / 1000).toFixed(1)
  console.log(stepsTaken() === 0 ? `Set-up: nothing to do (${seconds} s)` : `Set-up: done in ${seconds} s`)
}

function checkPlatform() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
  if (major < 20 || (major === 20 && minor < 19)) {
    throw new SetupError(`Node 20.19 or newer is needed; this is ${process.versions.node}.`)
  }
  if (process.platform !== "linux" || process.arch !== "x64") {
    throw new SetupError(`Linux on x86-64 is needed; this is ${process.platform} on ${process.arch}.`)
  }
}

async function buildImage() {
  // Exists only now that TypeScript has been compiled.
  const image = await import("../image/dist/index.js")
  await image.buildImage({ cacheDirectory: image.defaultCacheDirectory(), agentBinary, step })
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await setUp()
