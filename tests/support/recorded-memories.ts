import { join } from "node:path"
import BetterSqlite3 from "better-sqlite3"

/** A memory's file in a data directory. */
export function memoryFile(dataDirectory: string, memory: string): string {
  return join(dataDirectory, "memories", `${memory}.mem`)
}

/** The memory that a snapshot names, by the server's own record. */
export function memoryOf(dataDirectory: string, sandbox: string, label: string): string {
  const database = new BetterSqlite3(join(dataDirectory, "opensandbox.db"), { readonly: true })
  try {
    const row = database
      .prepare<string[], { memory_id: string | null }>(
        `select memory_id from snapshots join sandboxes on sandboxes.id = sandbox_id
        where sandboxes.name = ? and label = ?`,
      )
      .get(sandbox, label)
    if (row?.memory_id == null) throw new Error(`${label} of ${sandbox} has no memory on record`)
    return row.memory_id
  } finally {
    database.close()
  }
}

/** The memory with which a paused sandbox goes on, by the server's own record. */
export function pausedMemoryOf(dataDirectory: string, sandbox: string): { id: string; state: string } {
  const database = new BetterSqlite3(join(dataDirectory, "opensandbox.db"), { readonly: true })
  try {
    const row = database
      .prepare<string[], { id: string; state: string }>(
        "select memories.id, state from sandboxes join memories on memories.id = paused_memory_id where name = ?",
      )
      .get(sandbox)
    if (row === undefined) throw new Error(`${sandbox} is not paused by the record`)
    return row
  } finally {
    database.close()
  }
}
