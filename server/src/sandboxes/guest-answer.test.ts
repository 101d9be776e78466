import type { Machine } from "@opensandbox/vm"
import { expect, it } from "vitest"
import { Failure } from "../failure.js"
import { endRequest, guestAnswer, guestWork } from "./guest-answer.js"

/** As much of a machine as is asked here. */
function fakeMachine(stalled = false) {
  const listeners = new Set<() => void>()
  const machine = {
    stalled,
    killed: 0,
    kill: () => {
      machine.killed += 1
      return Promise.resolve()
    },
    onStall: (listener: () => void) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    stall: () => {
      for (const listener of listeners) listener()
    },
    listeners,
  }
  return machine
}

const asMachine = (fake: ReturnType<typeof fakeMachine>) => fake as unknown as Machine
const never = new Promise<never>(() => undefined)
const nothing = () => undefined

/** A request that is answered, if at all, when it is cancelled. */
function fakeRequest(obeys: boolean) {
  let answer: () => void = nothing
  const request = {
    cancelled: 0,
    done: new Promise<string>((resolve) => {
      answer = () => {
        resolve("done")
      }
    }),
    cancel: () => {
      request.cancelled += 1
      if (obeys) answer()
    },
  }
  return request
}

it("gives what work comes to, and holds on to nothing", async () => {
  const machine = fakeMachine()
  expect(await guestWork(asMachine(machine), new AbortController().signal, Promise.resolve(5), nothing)).toBe(
    5,
  )
  expect(machine.listeners.size).toBe(0)
})

it("ends with the reason why the sandbox went another way, however the work ends", async () => {
  const era = new AbortController()
  const reason = new Failure("interrupted", "restored")
  const waiting = guestWork(asMachine(fakeMachine()), era.signal, never, nothing)
  era.abort(reason)
  await expect(waiting).rejects.toBe(reason)
  const work = Promise.reject(new Error("the connection is gone"))
  await expect(guestWork(asMachine(fakeMachine()), era.signal, work, nothing)).rejects.toBe(reason)
})

it("waits no more when the machine stands still, and cancels", async () => {
  const machine = fakeMachine()
  let cancelled = 0
  const waiting = guestWork(asMachine(machine), new AbortController().signal, never, () => {
    cancelled += 1
  })
  machine.stall()
  await expect(waiting).rejects.toMatchObject({ code: "disk_full" })
  expect(cancelled).toBe(1)
})

it("cancels what is not answered in time", async () => {
  const machine = fakeMachine()
  const request = fakeRequest(true)
  await expect(guestAnswer(asMachine(machine), request, 5)).rejects.toMatchObject({ name: "DeadlineError" })
  expect([request.cancelled, machine.killed]).toEqual([1, 0])
})

it(
  "ends the machine of a guest that does not confirm the end, unless it stands still",
  { timeout: 20_000 },
  async () => {
    const machine = fakeMachine()
    await endRequest(asMachine(machine), fakeRequest(false))
    expect(machine.killed).toBe(1)
    const still = fakeMachine(true)
    await endRequest(asMachine(still), fakeRequest(false))
    expect(still.killed).toBe(0)
  },
)
