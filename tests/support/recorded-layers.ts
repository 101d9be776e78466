import { join } from "node:path"
import BetterSqlite3 from "better-sqlite3"
import { eventually } from "./eventually.js"

/** How long the server may take to learn, in the background, what its layers can be known by. */
const knownMs = 60_000

/** A layer's file in a data directory. */
export function layerFile(dataDirectory: string, layer: string): string {
  return join(dataDirectory, "layers", `${layer}.qcow2`)
}

/** The layer that a snapshot names, by the server's own record. Its file is at `layerFile`. */
export function layerOf(dataDirectory: string, sandbox: string, snapshot: string): string {
  const [row] = read<{ layer_id: string }>(
    dataDirectory,
    `select layer_id from snapshots join sandboxes on sandboxes.id = sandbox_id
    where sandboxes.name = ? and snapshots.name = ?`,
    [sandbox, snapshot],
  )
  if (row === undefined) throw new Error(`${snapshot} of ${sandbox} is not recorded`)
  return row.layer_id
}

/** The layer that a sandbox's machine writes to, or wrote to last. */
export function headOf(dataDirectory: string, sandbox: string): string {
  const [row] = read<{ id: string }>(
    dataDirectory,
    `select layers.id from layers join sandboxes on sandboxes.id = sandbox_id
    where sandboxes.name = ? and state = 'head'`,
    [sandbox],
  )
  if (row === undefined) throw new Error(`${sandbox} has no head on record`)
  return row.id
}

/** Waits until every sealed layer's checksum is recorded: before that, damage to it has nothing to be compared with. */
export async function allLayersKnown(dataDirectory: string): Promise<void> {
  const unknown = "select id from layers where state = 'sealed' and checksum is null"
  await eventually("the layers' checksums to be recorded", knownMs, () =>
    read(dataDirectory, unknown, []).length === 0 ? true : undefined,
  )
}

function read<Row>(dataDirectory: string, query: string, parameters: string[]): Row[] {
  const database = new BetterSqlite3(join(dataDirectory, "opensandbox.db"), { readonly: true })
  try {
    return database.prepare<string[], Row>(query).all(...parameters)
  } finally {
    database.close()
  }
}
