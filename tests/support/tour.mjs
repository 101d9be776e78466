// @ts-check

/**
 * The main job, in nothing but JavaScript, for each runtime to do: makes a sandbox, runs commands, goes back, destroys it.
 * @param {typeof import("opensandbox")} sdk
 * @param {{ apiKey: string, baseUrl: string, name: string }} task
 */
export async function tour({ Client, unwrap }, { apiKey, baseUrl, name }) {
  const client = new Client(apiKey, baseUrl)
  const { sandbox } = unwrap(await client.create(name))
  try {
    const first = unwrap(await sandbox.run("echo 'grüße 🙂' | tee file"))
    unwrap(await sandbox.run("rm file"))
    const { snapshots } = unwrap(await sandbox.snapshots())
    unwrap(await sandbox.restore(first.snapshot))
    const after = unwrap(await sandbox.run("cat file"))
    const nobody = await client.sandbox("nobody").info()
    return {
      printed: first.stdout,
      commands: snapshots.map(({ command }) => command),
      restored: after.stdout,
      failure: nobody.success ? "none" : nobody.code,
    }
  } finally {
    unwrap(await sandbox.destroy())
  }
}
