import fc from "fast-check"
import { afterEach, beforeEach, expect, it, vi } from "vitest"
import { OutputEvents } from "./output-events.js"

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

it("tells text that is put together to what was printed, in whole characters", async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: "binary" }), fc.array(fc.nat({ max: 5 })), async (text, cuts) => {
      const bytes = Buffer.from(text)
      const told: string[] = []
      const events = new OutputEvents(({ data }) => {
        told.push(data as string)
        return Promise.resolve()
      }, "utf8")
      let at = 0
      for (const cut of cuts) {
        await events.onStdout(bytes.subarray(at, at + cut))
        at += cut
      }
      await events.onStdout(bytes.subarray(at))
      events.end()

      expect(told.join("")).toBe(bytes.toString())
      for (const piece of told) expect(piece).not.toMatch(/\p{Surrogate}/u)
    }),
  )
})

it("holds up who prints until the client has taken what was told", async () => {
  let take: () => void = () => undefined
  const events = new OutputEvents(() => new Promise((resolve) => (take = resolve)), "utf8")
  let told = false
  const telling = events.onStdout(Buffer.from("a")).then(() => (told = true))
  await vi.advanceTimersByTimeAsync(29_000)

  expect(told).toBe(false)
  take()
  await telling
})

it("gives up on a client that takes nothing for 30 seconds", async () => {
  const sent: unknown[] = []
  const events = new OutputEvents((event) => {
    sent.push(event)
    return new Promise(() => undefined)
  }, "utf8")
  const both = Promise.all([events.onStdout(Buffer.from("a")), events.onStderr(Buffer.from("b"))])
  await vi.advanceTimersByTimeAsync(30_000)
  await both
  await events.onStdout(Buffer.from("c"))
  events.end()

  expect(sent).toEqual([
    { name: "stdout", data: "a" },
    { name: "stderr", data: "b" },
  ])
})
