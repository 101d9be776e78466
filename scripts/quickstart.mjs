// @ts-check
// From a fresh clone to a sandbox that travels in time: set-up, a server of its own, examples/quickstart.mjs, the end.
import { spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { setUp } from "./setup.mjs"
import { repository } from "./setup/repository.mjs"

/** The first start on a host boots a machine and freezes it as the template of all others. */
const startSeconds = 180
const exampleSeconds = 180
/** A server that has not ended by then is killed. */
const stopSeconds = 30

await setUp()

const dataDirectory = mkdtempSync(join(tmpdir(), "opensandbox-"))
const apiKey = `ws_${randomBytes(24).toString("hex")}`
console.log("Starting a server (the first time on a host takes longer)")
const server = spawn(
  process.execPath,
  [join("cli", "dist", "index.js"), "serve", "--port", "0", "--data-dir", dataDirectory],
  {
    cwd: repository,
    env: { ...process.env, OPENSANDBOX_API_KEY: apiKey },
    stdio: ["ignore", "pipe", "pipe"],
    // A Ctrl-C is for this script, which then ends the server.
    detached: true,
  },
)
const serverEnded = once(server, "exit")
let output = ""
let log = ""
server.stdout.setEncoding("utf8").on("data", (text) => (output = (output + text).slice(-10_000)))
server.stderr.setEncoding("utf8").on("data", (text) => (log = (log + text).slice(-10_000)))
process.exitCode = 1
for (const signal of ["SIGINT", "SIGTERM"])
  process.once(signal, () => void stop().then(() => process.exit(1)))

try {
  const url = await ready()
  console.log(`  ready on ${url}`)
  await runExample(url)
  process.exitCode = 0
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  console.error(`The server's output:\n${output}${log}`)
}
await stop()
if (process.exitCode === 0) console.log("Everything worked, and nothing of it remains.")

/** The server's address, as soon as it answers. */
async function ready() {
  const deadline = Date.now() + startSeconds * 1000
  while (Date.now() < deadline) {
    const url = /ready on (http:\/\/\S+)/.exec(output)?.[1]
    if (url !== undefined && (await isHealthy(url))) return url
    if (server.exitCode !== null || server.signalCode !== null) throw new Error("The server ended.")
    await setTimeout(100)
  }
  throw new Error(`The server was not ready within ${startSeconds} seconds.`)
}

/** @param {string} url */
async function isHealthy(url) {
  const answer = await globalThis
    .fetch(`${url}/health`, { signal: globalThis.AbortSignal.timeout(5000) })
    .catch(() => undefined)
  return answer?.ok === true
}

/** @param {string} url */
async function runExample(url) {
  const example = spawn(process.execPath, [join("examples", "quickstart.mjs")], {
    cwd: repository,
    env: { ...process.env, OPENSANDBOX_API_KEY: apiKey, OPENSANDBOX_BASE_URL: url },
    stdio: "inherit",
    timeout: exampleSeconds * 1000,
  })
  const [code] = await once(example, "exit")
  if (code !== 0)
    throw new Error(`The quickstart failed (${code ?? `no end within ${exampleSeconds} seconds`}).`)
}

async function stop() {
  server.kill("SIGTERM")
  const ended = await Promise.race([
    serverEnded.then(() => true),
    setTimeout(stopSeconds * 1000, false, { ref: false }),
  ])
  if (!ended) server.kill("SIGKILL")
  await serverEnded
  rmSync(dataDirectory, { recursive: true, force: true })
}
