import fc from "fast-check"
import { expect, test } from "vitest"
import { FakeTime } from "../testing/fake-time.js"
import { Alarms } from "./alarms.js"
import { Idleness } from "./idleness.js"

/** A sandbox that is paused at once where it may be, and what a caller may do with it. */
class World {
  readonly time = new FakeTime()
  readonly failures: unknown[] = []
  /** When it was paused. */
  readonly pauses: number[] = []
  /** What is going on in it. */
  readonly activities: (() => void)[] = []
  running = true
  /** How often it cannot be paused from now on. */
  obstacles = 0
  readonly idleness: Idleness

  constructor(timeoutMs: number | null) {
    this.idleness = new Idleness(new Alarms(this.time), timeoutMs, {
      pause: () => this.#pause(),
      failed: (error) => this.failures.push(error),
    })
  }

  begin(): void {
    this.running = true
    this.activities.push(this.idleness.begin())
  }

  end(): void {
    this.activities.pop()?.()
  }

  /** Lets time pass, and what was begun by alarms come to its end. */
  async pass(milliseconds: number): Promise<void> {
    this.time.pass(milliseconds)
    for (let settled = 0; settled < 5; settled++) await Promise.resolve()
  }

  async #pause(): Promise<void> {
    // As in a queue of turns: something else may have its turn first.
    await Promise.resolve()
    if (!this.idleness.isLongEnough || !this.running) return
    if (this.obstacles > 0) {
      this.obstacles -= 1
      throw new Error("the disk is full")
    }
    this.running = false
    this.pauses.push(this.time.now())
  }
}

test("a sandbox that nobody uses is paused after its timeout, once", async () => {
  const world = new World(1_000)
  await world.pass(999)
  expect(world.pauses).toEqual([])
  await world.pass(1)
  await world.pass(100_000)
  expect(world.pauses).toEqual([1_000])
  expect(world.time.waiting).toBe(0)
})

test("what lasts keeps it awake, and the timeout begins at its end", async () => {
  const world = new World(1_000)
  world.begin()
  world.begin()
  await world.pass(5_000)
  world.end()
  await world.pass(5_000)
  expect(world.pauses).toEqual([])
  world.end()
  await world.pass(999)
  expect(world.pauses).toEqual([])
  await world.pass(1)
  expect(world.pauses).toEqual([11_000])
})

test("an end that is told twice counts once", async () => {
  const world = new World(1_000)
  const end = world.idleness.begin()
  world.begin()
  end()
  end()
  await world.pass(5_000)
  expect(world.pauses).toEqual([])
})

test("what begins at the very moment wins", async () => {
  const world = new World(1_000)
  world.time.pass(1_000)
  world.begin()
  await world.pass(0)
  expect([world.pauses, world.running]).toEqual([[], true])
})

test("one that cannot be paused is tried again after as much time", async () => {
  const world = new World(1_000)
  world.obstacles = 2
  await world.pass(1_000)
  await world.pass(1_000)
  expect(world.failures).toHaveLength(2)
  await world.pass(1_000)
  expect(world.pauses).toEqual([3_000])
})

test("without a timeout nothing is paused; one that is given later counts what has passed", async () => {
  const world = new World(null)
  await world.pass(5_000)
  world.idleness.setTimeout(10_000)
  await world.pass(4_999)
  expect(world.pauses).toEqual([])
  await world.pass(1)
  expect(world.pauses).toEqual([10_000])
})

test("nothing is paused after the end", async () => {
  const world = new World(1_000)
  world.idleness.end()
  world.begin()
  world.end()
  world.idleness.setTimeout(10)
  await world.pass(5_000)
  expect(world.pauses).toEqual([])
  expect(world.time.waiting).toBe(0)
})

/** What is known of a sandbox without looking into it. */
interface Model {
  activities: number
  running: boolean
  timeoutMs: number | null
  /** When it will be paused if nothing happens; it does not matter while something is going on. */
  idleFrom: number
}

type Step = fc.AsyncCommand<Model, World>

/** Steps after which the world must be as the model says. */
function step(
  name: string,
  act: (model: Model, world: World) => Promise<void>,
  check?: (model: Model) => boolean,
): Step {
  return {
    check: (model) => check?.(model) ?? true,
    run: async (model, world) => {
      await act(model, world)
      expect(world.running).toBe(model.running)
    },
    toString: () => name,
  }
}

const passes = (milliseconds: number) =>
  step(`${milliseconds} ms pass`, async (model, world) => {
    const before = world.pauses.length
    await world.pass(milliseconds)
    const due = model.timeoutMs === null ? Infinity : Math.max(model.idleFrom + model.timeoutMs, 0)
    if (model.activities === 0 && model.running && due <= world.time.now()) {
      model.running = false
      expect(world.pauses.slice(before)).toEqual([expect.any(Number)])
      expect(world.pauses.at(-1)).toBeGreaterThanOrEqual(due)
    } else {
      expect(world.pauses.length).toBe(before)
    }
  })

const begins = step("something begins", (model, world) => {
  model.activities += 1
  model.running = true
  world.begin()
  return Promise.resolve()
})

const ends = step(
  "something ends",
  (model, world) => {
    model.activities -= 1
    model.idleFrom = world.time.now()
    world.end()
    return Promise.resolve()
  },
  ({ activities }) => activities > 0,
)

const isSet = (timeoutMs: number | null) =>
  step(`the timeout is ${timeoutMs} ms`, async (model, world) => {
    model.timeoutMs = timeoutMs
    world.idleness.setTimeout(timeoutMs)
    await passes(0).run(model, world)
  })

test("whatever happens, it is paused when it was idle for its timeout, and never else", async () => {
  const timeout = fc.option(fc.integer({ min: 1, max: 200_000 }))
  const steps = [fc.nat(150_000).map(passes), fc.constant(begins), fc.constant(ends), timeout.map(isSet)]
  await fc.assert(
    fc.asyncProperty(timeout, fc.commands(steps, { size: "+1" }), async (timeoutMs, commands) => {
      const setup = () => ({
        model: { activities: 0, running: true, timeoutMs, idleFrom: 0 },
        real: new World(timeoutMs),
      })
      await fc.asyncModelRun(setup, commands)
    }),
  )
})
