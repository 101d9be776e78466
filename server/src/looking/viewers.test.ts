import { AgentError, type Viewer } from "@opensandbox/vm"
import { pino } from "pino"
import { afterEach, beforeEach, expect, test, vi } from "vitest"
import { Failure } from "../failure.js"
import type { SealedDisk } from "../layers/layer-files.js"
import { Viewers } from "./viewers.js"

/** A viewer that knows only how to end. */
class FakeViewer implements Viewer {
  readonly layer: string | null
  readonly closed: Promise<void>
  #end!: () => void

  constructor(layer: string | null) {
    this.layer = layer
    this.closed = new Promise((resolve) => {
      this.#end = resolve
    })
  }

  changes = () => Promise.reject(new Error("nobody asks"))
  read = () => Promise.reject(new Error("nobody asks"))
  digest = () => Promise.reject(new Error("nobody asks"))

  close(): Promise<void> {
    this.#end()
    return this.closed
  }
}

/** All that were opened, those that were closed, and what opening one has to wait for. */
let opened: FakeViewer[]
let closed: (string | null)[]
let opening: Promise<void>
let viewers: Viewers

const disk = (layer: string | null): SealedDisk => ({ layer, imageKey: "image", diskBytes: null, chain: [] })
const log = pino({ level: "silent" })

beforeEach(() => {
  vi.useFakeTimers()
  opened = []
  closed = []
  opening = Promise.resolve()
  viewers = new Viewers(async ({ layer }) => {
    await opening
    const viewer = new FakeViewer(layer)
    opened.push(viewer)
    void viewer.closed.then(() => closed.push(layer))
    return viewer
  }, log)
})

afterEach(() => {
  vi.useRealTimers()
})

/** A look that goes on until it is told to end. */
function hold(layer: string | null): { done: Promise<unknown>; end: () => void } {
  let end!: () => void
  const ended = new Promise<void>((resolve) => {
    end = resolve
  })
  return { done: viewers.look(disk(layer), () => ended), end }
}

const code = (promise: Promise<unknown>) =>
  promise.then(
    () => "success",
    (error: unknown) => (error instanceof Failure ? error.code : String(error)),
  )

test("shares a viewer among all who look at a layer, and keeps it for the next", async () => {
  const seen = await Promise.all(
    [1, 2, 3].map(() => viewers.look(disk("l1"), (viewer) => Promise.resolve(viewer))),
  )
  seen.push(await viewers.look(disk("l1"), (viewer) => Promise.resolve(viewer)))
  expect(new Set(seen)).toEqual(new Set(opened))
  expect(opened).toHaveLength(1)
  await viewers.look(disk(null), () => Promise.resolve())
  expect(opened.map(({ layer }) => layer)).toEqual(["l1", null])
})

test("closes a viewer that nobody used for half a minute", async () => {
  const look = hold("l1")
  await vi.advanceTimersByTimeAsync(45_000)
  look.end()
  await look.done
  await vi.advanceTimersByTimeAsync(29_999)
  expect(closed).toEqual([])
  await vi.advanceTimersByTimeAsync(1)
  expect(closed).toEqual(["l1"])
})

test("makes room by closing the one that was not used for the longest time", async () => {
  for (const layer of ["l1", "l2", "l3", "l4", "l1", "l5"])
    await viewers.look(disk(layer), () => Promise.resolve())
  expect(closed).toEqual(["l2"])
  await viewers.look(disk("l1"), () => Promise.resolve())
  expect(opened).toHaveLength(5)
})

test("lets who asks wait while all viewers are in use, but not for ever", async () => {
  const looks = ["l1", "l2", "l3", "l4"].map(hold)
  const patient = code(viewers.look(disk("l5"), () => Promise.resolve()))
  await vi.advanceTimersByTimeAsync(29_000)
  looks[2]?.end()
  expect(await patient).toBe("success")
  expect(closed).toEqual(["l3"])

  const another = hold("l5")
  const late = code(viewers.look(disk("l6"), () => Promise.resolve()))
  await vi.advanceTimersByTimeAsync(30_000)
  expect(await late).toBe("unavailable")
  for (const look of [...looks, another]) look.end()
  await Promise.all([...looks, another].map(({ done }) => done))
})

test("never has more than it may, however many ask", async () => {
  let most = 0
  const names = Array.from({ length: 40 }, (_, at) => `l${at % 9}`)
  await Promise.all(
    names.map((layer) =>
      viewers.look(disk(layer), async () => {
        most = Math.max(most, opened.length - closed.length)
        await Promise.resolve()
      }),
    ),
  )
  expect(most).toBeGreaterThan(1)
  expect(most).toBeLessThanOrEqual(4)
})

test("replaces a viewer that breaks, once", async () => {
  let looks = 0
  const breaks = (times: number) =>
    code(
      viewers.look(disk("l1"), () =>
        ++looks <= times ? Promise.reject(new Error("the machine is gone")) : Promise.resolve(),
      ),
    )
  expect(await breaks(1)).toBe("success")
  expect([looks, closed]).toEqual([2, ["l1"]])
  looks = 0
  expect(await breaks(9)).toBe("unavailable")
  expect(looks).toBe(2)
})

test("opens another viewer after one could not be opened or its machine ended", async () => {
  opening = Promise.reject(new Error("no memory"))
  expect(await code(viewers.look(disk("l1"), () => Promise.resolve()))).toBe("unavailable")
  opening = Promise.resolve()
  expect(await code(viewers.look(disk("l1"), () => Promise.resolve()))).toBe("success")
  await opened[0]?.close()
  expect(await code(viewers.look(disk("l1"), () => Promise.resolve()))).toBe("success")
  expect(opened).toHaveLength(2)
})

test("keeps a viewer that answers, be the answer an error", async () => {
  const error = new AgentError("not_found", "there is none")
  await expect(viewers.look(disk("l1"), () => Promise.reject(error))).rejects.toBe(error)
  await viewers.look(disk("l1"), () => Promise.resolve())
  expect(opened).toHaveLength(1)
})

test("gives up a look that takes a minute, and its viewer", async () => {
  const result = code(hold("l1").done)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(await result).toBe("timeout")
  expect(closed).toEqual(["l1"])
})

test("closes those that nobody uses when it is asked to", async () => {
  const { done, end } = hold("used")
  await viewers.look(disk("idle"), () => Promise.resolve())
  await viewers.endIdle()
  expect(closed).toEqual(["idle"])
  end()
  await done
})

test("closes all of them at its end, also one that is just being opened", async () => {
  let open!: () => void
  const untilItsEnd = (viewer: Viewer) => viewer.closed.then(() => Promise.reject(new Error("it is gone")))
  await viewers.look(disk("unused"), () => Promise.resolve())
  const results = [code(viewers.look(disk("used"), untilItsEnd))]
  await vi.advanceTimersByTimeAsync(0)
  opening = new Promise((resolve) => {
    open = resolve
  })
  results.push(code(viewers.look(disk("opening"), untilItsEnd)))
  const end = viewers.close()
  results.push(code(viewers.look(disk("late"), untilItsEnd)))
  open()
  await end
  expect(closed.toSorted()).toEqual(["opening", "unused", "used"])
  expect(await Promise.all(results)).toEqual(["unavailable", "unavailable", "unavailable"])
  expect(opened).toHaveLength(3)
})
