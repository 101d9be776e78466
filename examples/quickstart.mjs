// @ts-check
// Travels back in time: files change, and come back. OPENSANDBOX_API_KEY holds the key; OPENSANDBOX_BASE_URL the
// server's address, when it is not http://localhost:4000. `npm run quickstart` starts a server and runs this.
import { Client } from "opensandbox"

const client = new Client()

console.log("Creating a sandbox")
const { sandbox } = expectSuccess(await client.create("quickstart"))
try {
  const hello = expectSuccess(await sandbox.run("echo 'hello world'"))
  console.log(`  stdout:   ${hello.stdout.trim()}`)
  console.log(`  snapshot: ${hello.snapshot}`)

  console.log("Writing a file, then changing it")
  const written = expectSuccess(await sandbox.run("echo 'first version' > notes.txt"))
  expectSuccess(await sandbox.run("echo 'second version' > notes.txt"))
  console.log(`  now:      ${await notes()}`)

  console.log("Its snapshots")
  for (const { snapshot_name, command } of expectSuccess(await sandbox.snapshots()).snapshots) {
    console.log(`  ${snapshot_name.padEnd(20)} ${command ?? ""}`)
  }

  console.log(`Restoring ${written.snapshot}`)
  expectSuccess(await sandbox.restore(written.snapshot))
  const restored = await notes()
  console.log(`  now:      ${restored}`)
  if (restored !== "first version") throw new Error(`The restore brought back "${restored}".`)

  console.log("All sandboxes")
  for (const { name, status, accelerator } of expectSuccess(await client.list()).vms) {
    console.log(`  ${name.padEnd(20)} ${status} (${accelerator})`)
  }
} finally {
  console.log("Destroying the sandbox")
  expectSuccess(await sandbox.destroy())
}

/** What the file holds at this moment. */
async function notes() {
  return expectSuccess(await sandbox.run("cat notes.txt")).stdout.trim()
}

/**
 * The result, which has to be a success.
 * @template {{ success: boolean }} Result
 * @param {Result} result
 * @returns {Extract<Result, { success: true }>}
 */
function expectSuccess(result) {
  if (!result.success) throw new Error("error" in result ? String(result.error) : "failed")
  return /** @type {Extract<Result, { success: true }>} */ (result)
}
