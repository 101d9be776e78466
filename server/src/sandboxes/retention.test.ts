import { describe, expect, it } from "vitest"
import type { Retention } from "../config.js"
import type { SnapshotRow } from "../store/tables.js"
import { effectiveRetention, expired } from "./retention.js"

const none: Retention = { keepLast: null, keepDays: null, maxBytes: null, quotaBytes: null }
const day = 86_400_000
const now = 100 * day

/** One a day, each of 10 bytes; the last one is of now. */
const snapshots = [1, 2, 3, 4, 5].map(
  (id) => ({ id, name: `cmd_${id}`, bytes: 10, created_at: now - (5 - id) * day }) as SnapshotRow,
)

const gone = (limits: Partial<Retention>, bytes = 0, newest = 5) =>
  expired(snapshots, newest, { ...none, ...limits }, now, bytes).map(({ id }) => id)

describe("expired", () => {
  it("is nothing without a limit", () => {
    expect(gone({}, 1e9)).toEqual([])
  })

  it("is what comes before the last so many", () => {
    expect(gone({ keepLast: 2 })).toEqual([1, 2, 3])
    expect(gone({ keepLast: 9 })).toEqual([])
  })

  it("is what is older than so many days", () => {
    expect(gone({ keepDays: 2 })).toEqual([1, 2])
    expect(gone({ keepDays: 0.5 })).toEqual([1, 2, 3, 4])
  })

  it("is the oldest, as long as there is too much", () => {
    expect(gone({ maxBytes: 100 }, 100)).toEqual([])
    expect(gone({ maxBytes: 100 }, 101)).toEqual([1])
    expect(gone({ maxBytes: 100 }, 125)).toEqual([1, 2, 3])
  })

  it("is whatever one of the limits says, and each counts what the others do", () => {
    expect(gone({ keepLast: 3, keepDays: 3.5, maxBytes: 100 }, 125)).toEqual([1, 2, 3])
  })

  it("is never the newest snapshot, so that there is a way back to what the sandbox is", () => {
    expect(gone({ keepDays: 0.001, maxBytes: 1 }, 1e9)).toEqual([1, 2, 3, 4])
    // The newest is another one, labelled for instance.
    expect(gone({ maxBytes: 1 }, 1e9, 6)).toEqual([1, 2, 3, 4, 5])
  })
})

describe("effectiveRetention", () => {
  const defaults = { keepLast: 10, keepDays: null, maxBytes: 500, quotaBytes: null }

  it("takes the server's limit where the sandbox has none, and null for no limit", () => {
    expect(effectiveRetention({}, defaults)).toEqual(defaults)
    expect(effectiveRetention({ keep_last: null, quota_bytes: 7 }, defaults)).toEqual({
      ...defaults,
      keepLast: null,
      quotaBytes: 7,
    })
  })
})
