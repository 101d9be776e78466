import { afterEach, beforeEach, expect, test, vi } from "vitest"
import { MachinePool, type PooledMachine, type PoolMeans } from "./machine-pool.js"

/** Longer than anything that a pool waits for. */
const longMilliseconds = 60_000

/** A machine that ends only in the test's own record. */
class FakeMachine implements PooledMachine {
  usable = true
  ended = false
  break: () => void = () => undefined
  readonly broken = new Promise<void>((resolve) => {
    this.break = () => {
      this.usable = false
      resolve()
    }
  })

  end(): Promise<void> {
    this.ended = true
    return Promise.resolve()
  }
}

const atOnce = () => Promise.resolve()

/** A wait that the test ends. */
class Gate {
  open: () => void = () => undefined
  readonly opened = new Promise<void>((resolve) => {
    this.open = resolve
  })
}

/** What the pool under test works with; each test turns it as it needs. */
const means = {
  size: 2,
  allowed: 2,
  idle: true,
  /** Those that were made, the oldest first. */
  made: [] as FakeMachine[],
  troubles: [] as unknown[],
  /** Waited for before each making, which fails with it. */
  before: atOnce,
}
let pool: MachinePool<FakeMachine>

function open(): MachinePool<FakeMachine> {
  const poolMeans: PoolMeans<FakeMachine> = {
    size: means.size,
    allowed: () => Promise.resolve(means.allowed),
    hostIsIdle: () => Promise.resolve(means.idle),
    onTrouble: (error) => means.troubles.push(error),
    make: async () => {
      await means.before()
      const machine = new FakeMachine()
      means.made.push(machine)
      return machine
    },
  }
  return new MachinePool(poolMeans)
}

const aWhile = (milliseconds = longMilliseconds) => vi.advanceTimersByTimeAsync(milliseconds)

beforeEach(() => {
  vi.useFakeTimers()
  Object.assign(means, { allowed: 2, idle: true, made: [], troubles: [], before: atOnce })
  pool = open()
})

afterEach(async () => {
  await pool.close()
  vi.useRealTimers()
})

test("makes as many machines as it may hold, and no more", async () => {
  await aWhile()
  expect([pool.size, means.made.length]).toEqual([2, 2])
})

test("gives the one that has waited longest away, and makes another", async () => {
  await aWhile()
  const [first] = means.made
  expect(pool.take()).toBe(first)
  expect([pool.size, first?.ended]).toEqual([1, false])
  await aWhile()
  expect([pool.size, means.made.length]).toEqual([2, 3])
})

test("gives none when it has none", () => {
  expect(pool.take()).toBeUndefined()
})

test("makes none while a machine is started, nor right after", async () => {
  const start = new Gate()
  const started = pool.during(() => start.opened)
  await aWhile()
  expect(pool.size).toBe(0)
  start.open()
  await started
  await aWhile(100)
  expect(pool.size).toBe(0)
  await aWhile()
  expect(pool.size).toBe(2)
})

test("leaves a busy host alone, though not for ever", async () => {
  means.idle = false
  await aWhile(2_000)
  expect(pool.size).toBe(0)
  await aWhile()
  expect(pool.size).toBe(2)
})

test("replaces a machine that broke, and gives it to nobody", async () => {
  await aWhile()
  const [first, second] = means.made
  first?.break()
  await aWhile()
  expect([pool.size, first?.ended, means.made.length]).toEqual([2, true, 3])
  // One that is not known to be broken yet, but cannot be used.
  if (second !== undefined) second.usable = false
  expect(pool.take()).toBe(means.made[2])
  await aWhile(0)
  expect(second?.ended).toBe(true)
})

test("tells what could not be made, and tries again", async () => {
  means.before = () => Promise.reject(new Error("no room"))
  await aWhile(1_000)
  expect([pool.size, String(means.troubles[0])]).toEqual([0, "Error: no room"])
  means.before = atOnce
  await aWhile()
  expect(pool.size).toBe(2)
})

test("holds fewer while there may be fewer, and more again later", async () => {
  await aWhile()
  means.allowed = 1
  await pool.trim()
  expect([pool.size, means.made.filter(({ ended }) => ended).length]).toEqual([1, 1])
  means.allowed = 0
  await aWhile()
  expect([pool.size, means.made.filter(({ ended }) => ended).length]).toEqual([0, 2])
  means.allowed = 2
  await aWhile()
  expect(pool.size).toBe(2)
})

test("ends all machines with itself, also the one that is being made", async () => {
  await aWhile()
  expect(pool.take()).toBe(means.made[0])
  const making = new Gate()
  means.before = () => making.opened
  await aWhile()
  const closing = pool.close()
  making.open()
  await closing
  expect(means.made.map(({ ended }) => ended)).toEqual([false, true, true])
  await aWhile()
  expect([pool.size, means.made.length]).toEqual([0, 3])
})
