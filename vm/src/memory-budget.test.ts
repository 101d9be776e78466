import fc from "fast-check"
import { expect, test, vi } from "vitest"
import { memoryForMachinesMiB } from "./host-memory.js"
import { MemoryBudget, MemoryShortageError } from "./memory-budget.js"

test("admits machines until no more fit, and says how much is missing", async () => {
  const budget = new MemoryBudget(1000)
  await budget.admit("a", 600)
  await budget.admit("b", 300)
  expect(budget.committedMiB).toBe(900)
  const refusal = budget.admit("c", 300)
  await expect(refusal).rejects.toThrow(MemoryShortageError)
  await expect(refusal).rejects.toMatchObject({ neededMiB: 300, missingMiB: 200 })
  expect(budget.committedMiB).toBe(900)
})

test("gives back what a machine had, once", async () => {
  const budget = new MemoryBudget(1000)
  await budget.admit("a", 600)
  budget.release("a")
  budget.release("a")
  budget.release("never there")
  await budget.admit("b", 1000)
  expect(budget.committedMiB).toBe(1000)
})

test("counts a machine and the one that it replaces once", async () => {
  const budget = new MemoryBudget(600)
  await budget.admit("old", 600)
  await budget.admit("new", 600, "old")
  expect(budget.committedMiB).toBe(600)
  budget.release("old")
  expect(budget.committedMiB).toBe(600)
  budget.release("new")
  expect(budget.committedMiB).toBe(0)
})

test("counts the larger of two while one replaces the other", async () => {
  const budget = new MemoryBudget(700)
  await budget.admit("old", 600)
  await expect(budget.admit("new", 800, "old")).rejects.toMatchObject({ missingMiB: 100 })
  await budget.admit("new", 700, "old")
  budget.release("new")
  expect(budget.committedMiB).toBe(600)
})

test("takes a machine for a new one when what it replaces is gone", async () => {
  const budget = new MemoryBudget(600)
  await budget.admit("new", 600, "gone")
  await expect(budget.admit("another", 1, "gone")).rejects.toThrow(MemoryShortageError)
})

test("moves a machine that counts already into the share of the one that it replaces", async () => {
  const budget = new MemoryBudget(1200)
  await budget.admit("warm", 600)
  await budget.admit("old", 600)
  await budget.admit("warm", 600, "old")
  expect(budget.committedMiB).toBe(600)
  budget.release("old")
  expect(budget.committedMiB).toBe(600)
})

test("admits a machine that counts already without counting it twice", async () => {
  const budget = new MemoryBudget(600)
  await budget.admit("warm", 600)
  await budget.admit("warm", 600)
  expect(budget.committedMiB).toBe(600)
})

test("asks those that hold machines in reserve before it refuses one", async () => {
  const budget = new MemoryBudget(1000)
  await budget.admit("reserve", 600)
  const relief = vi.fn(() => {
    budget.release("reserve")
    return Promise.resolve()
  })
  const stop = budget.onShortage(relief)
  await budget.admit("a", 300)
  expect(relief).not.toHaveBeenCalled()
  await budget.admit("b", 600)
  expect(relief).toHaveBeenCalledExactlyOnceWith(500)
  stop()
  await expect(budget.admit("c", 600)).rejects.toThrow(MemoryShortageError)
  expect(relief).toHaveBeenCalledOnce()
})

test("counts machines that run already even where they do not fit", async () => {
  const budget = new MemoryBudget(500)
  budget.count("a", 600)
  expect(budget.committedMiB).toBe(600)
  await expect(budget.admit("b", 100)).rejects.toMatchObject({ missingMiB: 200 })
})

test("never commits more than there is, and nothing once all are gone", async () => {
  const id = fc.constantFrom("a", "b", "c", "d")
  const admit = fc.record({ id, mebibytes: fc.integer({ min: 1, max: 60 }), inPlaceOf: fc.option(id) })
  const steps = fc.array(fc.oneof(admit, fc.record({ release: id })))
  await fc.assert(
    fc.asyncProperty(steps, async (steps) => {
      const budget = new MemoryBudget(100)
      for (const step of steps) {
        if ("release" in step) budget.release(step.release)
        else await budget.admit(step.id, step.mebibytes, step.inPlaceOf ?? undefined).catch(() => undefined)
        expect(budget.committedMiB).toBeLessThanOrEqual(100)
      }
      for (const each of ["a", "b", "c", "d"]) budget.release(each)
      expect(budget.committedMiB).toBe(0)
    }),
  )
})

test("leaves a fifth of the host's or the container's memory to others", () => {
  const gibibyte = 1024 ** 3
  expect(memoryForMachinesMiB(10 * gibibyte, 0)).toBe(8192)
  expect(memoryForMachinesMiB(10 * gibibyte, 5 * gibibyte)).toBe(4096)
  expect(memoryForMachinesMiB(10 * gibibyte, 2 ** 63)).toBe(8192)
})
