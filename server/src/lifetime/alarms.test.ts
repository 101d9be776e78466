import { expect, test } from "vitest"
import { FakeTime } from "../testing/fake-time.js"
import { Alarms } from "./alarms.js"

function world() {
  const time = new FakeTime(1_000)
  const alarms = new Alarms(time)
  const rung: string[] = []
  const ring = (name: string) => () => void rung.push(`${name} at ${time.now()}`)
  return { time, alarms, rung, ring }
}

test("alarms ring once, each at its time", () => {
  const { time, alarms, rung, ring } = world()
  alarms.set(ring("late"), 1_500)
  alarms.set(ring("early"), 1_200)
  time.pass(10_000)
  expect(rung).toEqual(["early at 1200", "late at 1500"])
  expect(time.waiting).toBe(0)
})

test("one that is set for a time that is over rings at once, but not while it is set", () => {
  const { time, alarms, rung, ring } = world()
  alarms.set(ring("over"), 5)
  expect(rung).toEqual([])
  time.pass(0)
  expect(rung).toEqual(["over at 1000"])
})

test("one that is set anew rings at the new time only, one that is cleared never", () => {
  const { time, alarms, rung, ring } = world()
  const [moved, cleared] = [ring("moved"), ring("cleared")]
  alarms.set(moved, 1_100)
  alarms.set(cleared, 1_200)
  alarms.set(moved, 1_900)
  alarms.clear(cleared)
  time.pass(10_000)
  expect(rung).toEqual(["moved at 1900"])
})

test("one may clear and set others, and itself, when it rings", () => {
  const { time, alarms, rung, ring } = world()
  const second = ring("second")
  const first = () => {
    rung.push("first")
    alarms.clear(second)
    if (rung.length < 3) alarms.set(first, time.now() + 100)
  }
  alarms.set(first, 1_100)
  alarms.set(second, 1_100)
  time.pass(10_000)
  expect(rung).toEqual(["first", "first", "first"])
})

test("times farther than any timer can wait are kept", () => {
  const { time, alarms, rung, ring } = world()
  const year = 365 * 86_400_000
  alarms.set(ring("far"), year)
  time.pass(year - 1_001)
  expect(rung).toEqual([])
  time.pass(1)
  expect(rung).toEqual([`far at ${year}`])
})

test("a clock that is set is noticed within a minute", () => {
  const { time, alarms, rung, ring } = world()
  alarms.set(ring("hour"), 3_600_000)
  time.setClock(4_000_000)
  time.pass(60_000)
  expect(rung).toEqual(["hour at 4060000"])
})

test("after its end nothing rings, and nothing is waited for", () => {
  const { time, alarms, rung, ring } = world()
  alarms.set(ring("before"), 1_100)
  alarms.close()
  alarms.set(ring("after"), 1_100)
  expect(time.waiting).toBe(0)
  time.pass(10_000)
  expect(rung).toEqual([])
})
