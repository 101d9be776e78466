import { expect, test } from "vitest"
import { availableMemory, memoryField, processorTime, spareProcessors } from "./host-load.js"

const stat = (busy: number, idle: number) =>
  `cpu  ${busy} 0 0 ${idle} 0 0 0 0 0 0\ncpu0 1 0 0 1 0 0 0 0 0 0\ncpu1 1 0 0 1 0 0 0 0 0 0\nintr 5\n`

test("counts the processors that had nothing to do", () => {
  const before = processorTime(stat(100, 1000))
  const spare = (busy: number, idle: number) =>
    spareProcessors(before, processorTime(stat(100 + busy, 1000 + idle)))
  expect([spare(0, 20), spare(10, 10), spare(20, 0), spare(0, 0)]).toEqual([2, 1, 0, 0])
})

test("takes a kernel that tells nothing of processors for a busy one", () => {
  expect(spareProcessors(processorTime(""), processorTime("nonsense"))).toBe(0)
})

test("knows how much memory there is", async () => {
  expect(memoryField("MemTotal:  10 kB\nMemAvailable:      7 kB\n", "MemAvailable")).toBe(7 * 1024)
  expect(() => memoryField("", "MemAvailable")).toThrow(/MemAvailable/)
  expect(await availableMemory()).toBeGreaterThan(0)
})
