import { beforeEach, expect, test } from "vitest"
import { Progress } from "./progress.js"

let now = 0
let printed = ""

beforeEach(() => {
  now = 0
  printed = ""
})

const context = (stderr: boolean) => ({
  stderr: (text: string) => {
    printed += text
  },
  isTerminal: { stdin: false, stdout: false, stderr },
  now: () => now,
})

test("of what has a known size a bar shows how much has passed", () => {
  const progress = new Progress(context(true), 8_000_000)
  now = 1000
  progress.add(2_000_000)
  expect(printed).toBe("\r[======                  ]  25 %  2.0 MB of 8.0 MB")
  now = 2000
  progress.add(7_000_000)
  expect(printed.split("\r")[2]?.trimEnd()).toBe("[========================] 100 %  9.0 MB of 8.0 MB")
})

test("the size may be found out later, or never", () => {
  const progress = new Progress(context(true))
  now = 1000
  progress.add(500)
  expect(printed).toBe("\r500 B")
  progress.total = 1000
  now = 2000
  progress.add(0)
  expect(printed).toContain(" 50 %")
})

test("the line goes away at the end", () => {
  const progress = new Progress(context(true), 1000)
  now = 1000
  progress.add(500)
  progress.end()
  expect(printed).toMatch(/\r +\r$/)
})

test("nothing is shown of a transfer that is over soon, or where nobody sees it", () => {
  const [soon, unseen] = [new Progress(context(true), 10), new Progress(context(false), 10)]
  soon.add(10)
  soon.end()
  now = 10_000
  unseen.add(10)
  unseen.end()
  expect(printed).toBe("")
})
