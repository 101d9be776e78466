// @ts-check
// Everything that has to hold before a change goes in: set-up, static checks, the agent's tests and all others.
import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setUp } from "./setup.mjs"
import { repository } from "./setup/repository.mjs"

await setUp({ forTests: true })

const scratch = mkdtempSync(join(tmpdir(), "opensandbox-test-"))
const results = join(scratch, "results.json")
/** @type {string[]} */
const failed = []
await check("npm run check", "npm", ["run", "check"])
await check("go vet", "go", ["vet", "./..."], "agent")
await check("go test", "go", ["test", "./..."], "agent")
await check("vitest", process.execPath, [
  join("node_modules", "vitest", "vitest.mjs"),
  "run",
  "--reporter=default",
  "--reporter=json",
  `--outputFile.json=${results}`,
])
const counts = countTests()
rmSync(scratch, { recursive: true })
if (failed.length > 0) console.log(`Failed: ${failed.join(", ")}`)
console.log(`${counts.passed} passed, ${counts.failed} failed`)
process.exitCode = failed.length > 0 || counts.failed > 0 ? 1 : 0

/**
 * Runs one check in the open; the others run whether or not it fails.
 * @param {string} title
 * @param {string} file
 * @param {string[]} args
 * @param {string} directory inside the repository
 * @returns {Promise<void>}
 */
function check(title, file, args, directory = ".") {
  console.log(`\n== ${title}`)
  return new Promise((resolve) => {
    const child = spawn(file, args, {
      cwd: join(repository, directory),
      env: { ...process.env, GOPROXY: "off", GOTOOLCHAIN: "local" },
      stdio: ["ignore", "inherit", "inherit"],
      timeout: 60 * 60_000,
    })
    child.on("error", (error) => {
      console.error(error.message)
      failed.push(title)
      resolve()
    })
    child.on("exit", (code) => {
      if (code !== 0) failed.push(title)
      resolve()
    })
  })
}

/** Vitest's tests by outcome; a file that cannot even be loaded counts as one that failed. */
function countTests() {
  /** @typedef {{ status: string, assertionResults: { status: string }[] }} TestFile */
  /** @type {{ numPassedTests: number, numFailedTests: number, testResults: TestFile[] }} */
  let report
  try {
    report = JSON.parse(readFileSync(results, "utf8"))
  } catch {
    return { passed: 0, failed: 1 }
  }
  const unloaded = report.testResults.filter(
    ({ status, assertionResults }) =>
      status === "failed" && !assertionResults.some((test) => test.status === "failed"),
  )
  return { passed: report.numPassedTests, failed: report.numFailedTests + unloaded.length }
}
