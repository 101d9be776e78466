import type { ChangedPath } from "../agent/changed-path.js"
import { limits } from "../agent/frame.js"
import type { Machine } from "./machine.js"
import type { Viewer } from "./viewer.js"

/** How long one look may take: a list of a disk full of small files, or the digest of large ones. */
const lookMilliseconds = 60_000

/** Characters of paths in one request for digests: as JSON they stay below the longest request. */
const pathCharacters = limits.request / 8

/** A viewer that is a machine of its own. */
export class MachineViewer implements Viewer {
  readonly closed: Promise<void>
  readonly #machine: Machine

  constructor(machine: Machine) {
    this.#machine = machine
    this.closed = machine.ended.catch(() => undefined)
    // Without room on the host it would stand still for ever, and there is nothing in it that is worth waiting for.
    machine.onStall(() => void this.close().catch(() => undefined))
  }

  changes(limit: number): Promise<{ changes: ChangedPath[]; truncated: boolean }> {
    return this.#machine.agent.changes(limit, lookMilliseconds)
  }

  read(path: string, limit: number): Promise<Uint8Array<ArrayBuffer>> {
    return this.#machine.agent.read(path, limit, lookMilliseconds)
  }

  async digest(paths: readonly string[]): Promise<(string | null)[]> {
    const digests: (string | null)[] = []
    for (const some of batches(paths))
      digests.push(...(await this.#machine.agent.digest(some, lookMilliseconds)))
    return digests
  }

  close(): Promise<void> {
    return this.#machine.kill()
  }
}

/** The paths in portions that fit into one request. */
function* batches(paths: readonly string[]): Iterable<string[]> {
  let batch: string[] = []
  let characters = 0
  for (const path of paths) {
    if (batch.length === limits.digests || characters + path.length > pathCharacters) {
      yield batch
      batch = []
      characters = 0
    }
    batch.push(path)
    characters += path.length
  }
  if (batch.length > 0) yield batch
}
