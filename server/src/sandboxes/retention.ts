import type { Retention } from "../config.js"
import type { SnapshotRow } from "../store/tables.js"
import type { RetentionRequest } from "./sandbox-service.js"

const millisecondsOfDay = 86_400_000

/** The limits in effect: the sandbox's own, and the server's where it has none. */
export function effectiveRetention(own: RetentionRequest, defaults: Retention): Retention {
  const { keep_last, keep_days, max_bytes, quota_bytes } = own
  return {
    keepLast: keep_last === undefined ? defaults.keepLast : keep_last,
    keepDays: keep_days === undefined ? defaults.keepDays : keep_days,
    maxBytes: max_bytes === undefined ? defaults.maxBytes : max_bytes,
    quotaBytes: quota_bytes === undefined ? defaults.quotaBytes : quota_bytes,
  }
}

/**
 * The snapshots that have to go: each limit is one by itself. The newest always stays, or an idle sandbox would lose
 * the way back to what it is.
 *
 * @param expendable The snapshots that are neither labelled nor `initial`, from the oldest.
 * @param newest The number of the sandbox's newest snapshot, of whatever kind.
 * @param now Unix milliseconds.
 * @param bytes What the sandbox takes on the disk; matters only where there is a limit.
 */
export function expired(
  expendable: readonly SnapshotRow[],
  newest: number,
  { keepLast, keepDays, maxBytes }: Retention,
  now: number,
  bytes: number,
): SnapshotRow[] {
  const beyond = keepLast === null ? 0 : expendable.length - keepLast
  const earliest = keepDays === null ? -Infinity : now - keepDays * millisecondsOfDay
  let excess = maxBytes === null ? 0 : bytes - maxBytes
  return expendable.filter((snapshot, at) => {
    if (snapshot.id === newest) return false
    const goes = at < beyond || snapshot.created_at < earliest || excess > 0
    // What one added is the best guess at what its end gives back; the rest shows when that has happened.
    if (goes) excess -= snapshot.bytes
    return goes
  })
}
