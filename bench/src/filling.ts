import type { Sandbox } from "opensandbox"
import { expectSuccess } from "./expect-success.js"

/** Appends a hundred bytes, with the line's end, to the workspace's `file`. */
export const hundredBytes = `echo ${"x".repeat(99)} >> file`

/**
 * Runs commands that change a hundred bytes each, until the sandbox has as many snapshots. In one that was never
 * changed otherwise, the snapshot with index n has n lines in `file`.
 *
 * @returns the names of all its snapshots, oldest first.
 */
export async function fill(sandbox: Sandbox, snapshotCount: number): Promise<string[]> {
  const { snapshots } = expectSuccess(await sandbox.snapshots())
  const names = snapshots.map((snapshot) => snapshot.snapshot_name)
  while (names.length < snapshotCount) names.push(expectSuccess(await sandbox.run(hundredBytes)).snapshot)
  return names
}
