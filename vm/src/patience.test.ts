import { afterEach, beforeEach, expect, test, vi } from "vitest"
import { Patience } from "./patience.js"

const lost = vi.fn()
let patience: Patience

beforeEach(() => {
  vi.useFakeTimers()
  lost.mockReset()
  patience = new Patience(100, lost)
})

afterEach(() => {
  vi.useRealTimers()
})

test("is lost by a wait that takes too long, counted from its own beginning", () => {
  patience.wait()
  vi.advanceTimersByTime(90)
  patience.rest()
  patience.wait()
  vi.advanceTimersByTime(99)
  expect(lost).not.toHaveBeenCalled()
  vi.advanceTimersByTime(1)
  expect(lost).toHaveBeenCalledOnce()
})

test("is not lost between waits, however long, and bounds those that follow", () => {
  patience.wait()
  patience.rest()
  vi.advanceTimersByTime(1000)
  expect(lost).not.toHaveBeenCalled()
  patience.wait()
  vi.advanceTimersByTime(100)
  expect(lost).toHaveBeenCalledOnce()
})

test("leaves no timer at its end", () => {
  patience.wait()
  patience.end()
  expect(vi.getTimerCount()).toBe(0)
})
