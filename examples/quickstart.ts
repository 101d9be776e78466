// A sandbox from its creation to its end. OPENSANDBOX_API_KEY holds the key; OPENSANDBOX_BASE_URL the server's
// address, when it is not http://localhost:4000.
import { Client } from "opensandbox"

const client = new Client()

const created = await client.create("quickstart")
if (!created.success) throw new Error(created.error)
const { sandbox } = created

try {
  const first = await sandbox.run("echo 'hello world' | tee greeting.txt")
  if (!first.success) throw new Error(first.error)
  console.log(first.stdout.trim())
  console.log(`snapshot: ${first.snapshot}`)

  const second = await sandbox.run("rm greeting.txt")
  if (!second.success) throw new Error(second.error)

  const listed = await sandbox.snapshots()
  if (!listed.success) throw new Error(listed.error)
  for (const { snapshot_name, command } of listed.snapshots) {
    console.log(`${snapshot_name}  ${command ?? ""}`)
  }

  const restored = await sandbox.restore(first.snapshot)
  if (!restored.success) throw new Error(restored.error)

  const checked = await sandbox.run("cat greeting.txt")
  if (!checked.success) throw new Error(checked.error)
  console.log(`after the restore: ${checked.stdout.trim()}`)
} finally {
  const destroyed = await sandbox.destroy()
  if (destroyed.success) console.log(destroyed.message)
  else console.error(destroyed.error)
}
