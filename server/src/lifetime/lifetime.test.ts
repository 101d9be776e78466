import { pino } from "pino"
import { expect, test } from "vitest"
import type { SandboxRow } from "../store/tables.js"
import { FakeTime } from "../testing/fake-time.js"
import { Alarms } from "./alarms.js"
import { Lifetime, recordOf, type RecordedLifetime } from "./lifetime.js"

interface Settings extends Partial<RecordedLifetime> {
  /** The server's. */
  idleTimeout?: number | null
}

const second = 1_000
const hour = 3_600 * second

/** A sandbox at the time 1 h, with what is recorded of it, and what happens to it. */
function world({ idleTimeout = null, ...recorded }: Settings = {}) {
  const time = new FakeTime(hour)
  const events: string[] = []
  const records: RecordedLifetime[] = []
  let trouble: Error | undefined
  const happens = (what: string) => {
    events.push(`${what} at ${time.now() / second} s`)
    return trouble === undefined ? Promise.resolve() : Promise.reject(trouble)
  }
  const store = {
    setLifetime: (_id: number, lifetime: RecordedLifetime) => {
      records.push(lifetime)
      return trouble === undefined ? Promise.resolve() : Promise.reject(trouble)
    },
  }
  const row = { id: 1, name: "box", idle_timeout: null, expires_at: null, ...recorded } as SandboxRow
  const means = { alarms: new Alarms(time), store, log: pino({ level: "silent" }), idleTimeout }
  const lifetime = new Lifetime(row, means, () => happens("paused"))
  lifetime.start(() => happens("destroyed"))
  const pass = async (milliseconds: number) => {
    time.pass(milliseconds)
    for (let settled = 0; settled < 5; settled++) await Promise.resolve()
  }
  return { lifetime, events, records, pass, fail: (error?: Error) => (trouble = error) }
}

test("a sandbox without settings has the server's timeout, and lives for ever", async () => {
  const { lifetime, events, pass } = world({ idleTimeout: 60 })
  expect([lifetime.idleTimeout, lifetime.expiresAt]).toEqual([60, null])
  await pass(hour)
  expect(events).toEqual(["paused at 3660 s"])
})

test("its own timeout is before the server's, and 0 is never", async () => {
  const own = world({ idleTimeout: 60, idle_timeout: 120 })
  await own.pass(hour)
  expect(own.events).toEqual(["paused at 3720 s"])
  const never = world({ idleTimeout: 60, idle_timeout: 0 })
  expect(never.lifetime.idleTimeout).toBeNull()
  await never.pass(hour)
  expect(never.events).toEqual([])
})

test("one whose time was over before the server started is destroyed at once", async () => {
  const { events, pass } = world({ expires_at: 10 })
  expect(events).toEqual([])
  await pass(0)
  expect(events).toEqual(["destroyed at 3600 s"])
})

test("settings are recorded first; what they do not name stays as it is", async () => {
  const { lifetime, events, records, pass } = world()
  await lifetime.set({ ttl: 600 })
  await lifetime.set({ idle_timeout: 300 })
  await lifetime.set({})
  const recorded = { idle_timeout: 300, expires_at: hour + 600 * second }
  expect(records).toEqual([{ ...recorded, idle_timeout: null }, recorded, recorded])
  expect([lifetime.idleTimeout, lifetime.expiresAt]).toEqual([300, hour + 600 * second])
  await pass(hour)
  expect(events).toEqual(["paused at 3900 s", "destroyed at 4200 s"])
})

test("null takes a setting back", async () => {
  const { lifetime, events, records, pass } = world({ idleTimeout: 60, expires_at: hour + second })
  await lifetime.set({ idle_timeout: null, ttl: null })
  expect(records).toEqual([{ idle_timeout: 0, expires_at: null }])
  await pass(hour)
  expect(events).toEqual([])
})

test("settings that cannot be recorded change nothing", async () => {
  const { lifetime, events, pass, fail } = world({ expires_at: hour + 60 * second })
  fail(Object.assign(new Error("full"), { code: "SQLITE_FULL" }))
  await expect(lifetime.set({ ttl: 1, idle_timeout: 1 })).rejects.toMatchObject({ code: "disk_full" })
  fail(undefined)
  await pass(hour)
  expect(events).toEqual(["destroyed at 3660 s"])
})

test("a destruction that fails is tried again every minute, unless the sandbox got more time", async () => {
  const { lifetime, events, pass, fail } = world({ expires_at: hour })
  fail(new Error("no"))
  await pass(0)
  await pass(60 * second)
  expect(events).toEqual(["destroyed at 3600 s", "destroyed at 3660 s"])
  fail(undefined)
  await lifetime.set({ ttl: 300 })
  await pass(200 * second)
  expect(events).toHaveLength(2)
  await pass(100 * second)
  expect(events.at(-1)).toBe("destroyed at 3960 s")
})

test("an activity keeps it awake until it ends, also when it fails", async () => {
  const { lifetime, events, pass } = world({ idle_timeout: 10 })
  let finish: (error: Error) => void = () => undefined
  const activity = lifetime.during(() => new Promise<void>((_, reject) => (finish = reject)))
  await pass(hour)
  expect([events, lifetime.isIdle]).toEqual([[], false])
  finish(new Error("failed"))
  await expect(activity).rejects.toThrow("failed")
  await pass(10 * second)
  expect([events, lifetime.isIdle]).toEqual([["paused at 7210 s"], true])
})

test("nothing happens by itself after its end", async () => {
  const { lifetime, events, pass } = world({ idle_timeout: 10, expires_at: hour + second })
  lifetime.end()
  await pass(hour)
  expect(events).toEqual([])
})

test("what is made of a sandbox has its own timeout, and no end", () => {
  expect(world({ idleTimeout: 60 }).lifetime.passedOn).toEqual({})
  expect(world({ idle_timeout: 5, expires_at: 2 * hour }).lifetime.passedOn).toEqual({ idle_timeout: 5 })
  expect(world({ idle_timeout: 0 }).lifetime.passedOn).toEqual({ idle_timeout: null })
})

test("a new sandbox lives from its creation", () => {
  expect(recordOf({}, hour)).toEqual({ idle_timeout: null, expires_at: null })
  expect(recordOf({ idle_timeout: 5, ttl: 10 }, hour)).toEqual({
    idle_timeout: 5,
    expires_at: hour + 10 * second,
  })
})
