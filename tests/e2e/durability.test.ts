import { join } from "node:path"
import { expect, test } from "vitest"
import { layerFile, layerOf } from "../support/recorded-layers.js"
import { succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"
import { SyncTrace, type Sync } from "../support/sync-trace.js"

const possible = await SyncTrace.possible()
if (!possible) console.warn("SKIPPED: without strace nobody can tell what a server and its machine sync")

/** What a server and its machine sync while snapshots are taken. */
interface Observation {
  readonly dataDirectory: string
  /** The layer of the last snapshot: it was made, written to and sealed under observation. */
  readonly layer: string
  /** When that snapshot was acknowledged, in Unix milliseconds. */
  readonly acknowledgedAt: number
  readonly syncs: readonly Sync[]
}

async function observe(durability: string): Promise<Observation> {
  const server = await TestServer.start({ env: { OPENSANDBOX_DURABILITY: durability } })
  try {
    const sandbox = await server.create()
    // What the first start of a machine makes the guest and the server do is over then.
    succeeded(await sandbox.run("echo begun > file"))
    const trace = await SyncTrace.of([server.pid, ...server.machines().map(({ pid }) => pid)])
    // A layer is made when the one two before it is sealed.
    for (const text of ["one", "two"]) succeeded(await sandbox.run(`echo ${text} > file`))
    const { snapshot } = succeeded(await sandbox.run("echo three > file"))
    // The clock gives whole milliseconds.
    const acknowledgedAt = Date.now() + 1
    const { dataDirectory } = server
    const layer = layerOf(dataDirectory, sandbox.name, snapshot)
    return { dataDirectory, layer, acknowledgedAt, syncs: await trace.end() }
  } finally {
    await server.dispose()
  }
}

test.skipIf(!possible)(
  "what is to survive a loss of power is synced before it is acknowledged: layer, directory, database",
  { timeout: serverStartMs },
  async () => {
    const { dataDirectory, layer, acknowledgedAt, syncs } = await observe("disk")
    const file = layerFile(dataDirectory, layer)
    const before = syncs.filter(({ at }) => at <= acknowledgedAt)
    const paths = before.map(({ path }) => path)
    const made = paths.indexOf(`${file}.unfinished`)
    expect(made).toBeGreaterThanOrEqual(0)
    const named = paths.indexOf(join(dataDirectory, "layers"), made)
    expect(named).toBeGreaterThan(made)
    const written = paths.lastIndexOf(file)
    expect(written).toBeGreaterThan(named)
    const recorded = paths.lastIndexOf(join(dataDirectory, "opensandbox.db-wal"))
    expect(recorded).toBeGreaterThan(written)
  },
)

test.skipIf(!possible)(
  "what is to survive the end of processes needs no sync, and waits for none",
  { timeout: serverStartMs },
  async () => {
    const { dataDirectory, syncs } = await observe("process")
    expect(syncs.filter(({ path }) => path.startsWith(dataDirectory))).toEqual([])
  },
)
