import { expect, test } from "vitest"
import { parseDuration, showDuration } from "./duration.js"

test.each([
  ["90", 90],
  ["1s", 1],
  ["15m", 900],
  ["1.5h", 5_400],
  ["8 h", 28_800],
  ["365d", 31_536_000],
])("%s is %i seconds", (text, seconds) => {
  expect(parseDuration(text)).toBe(seconds)
})

test.each(["", "0", "0.4", "-1", "1w", "m", "366d", "1e3", "never", "1h30m"])("%j is no time", (text) => {
  expect(() => parseDuration(text)).toThrow("as in 90, 15m, 8h or 7d")
})

test.each([
  [45, "45 s"],
  [90, "90 s"],
  [900, "15 min"],
  [7_200, "2 h"],
  [604_800, "7 d"],
])("%i seconds are shown as %s", (seconds, text) => {
  expect(showDuration(seconds)).toBe(text)
})
