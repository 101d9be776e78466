import fc from "fast-check"
import { expect, test } from "vitest"
import { parseEventStream } from "./event-stream.js"

const line = fc.string({ unit: "grapheme" }).map((text) => text.replaceAll(/[\r\n]/g, ""))

test("what is written as events is read as the same events, whatever the line ends", () => {
  const event = fc.record({ event: line, data: fc.array(line, { minLength: 1 }) })
  fc.assert(
    fc.property(fc.array(event), fc.constantFrom("\n", "\r\n", "\r"), (events, end) => {
      const text = events
        .map(({ event, data }) => ["event: " + event, ...data.map((each) => "data: " + each), ": c", "", ""])
        .map((lines) => lines.join(end))
        .join("")
      expect(parseEventStream(text)).toEqual(
        events.map(({ event, data }) => ({ event, data: data.join("\n") })),
      )
    }),
  )
})

test("no text makes the parser throw", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      parseEventStream(text)
    }),
  )
})

test("an event that was cut off is left out, and one without a name is a message", () => {
  expect(parseEventStream("data:a\n\nevent: result\ndata: b\n")).toEqual([{ event: "message", data: "a" }])
})
