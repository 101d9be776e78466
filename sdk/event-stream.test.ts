import fc from "fast-check"
import { expect, test } from "vitest"
import { EventParser, readEvents, type ServerEvent } from "./event-stream.js"

const line = fc.string({ unit: "grapheme" }).map((text) => text.replaceAll(/[\r\n]/g, ""))

/** The events of a text that comes in one piece. */
const parsed = (text: string) => new EventParser().push(text)

test("what is written as events is read as the same events, whatever the line ends and wherever it is cut", () => {
  const event = fc.record({ event: line, data: fc.array(line, { minLength: 1 }), id: line })
  fc.assert(
    fc.property(
      fc.array(event),
      fc.constantFrom("\n", "\r\n", "\r"),
      fc.array(fc.nat({ max: 30 })),
      (events, end, cuts) => {
        let text = events
          .map(({ event, data, id }) => [
            `event: ${event}`,
            `id: ${id}`,
            ...data.map((each) => `data: ${each}`),
            ": c",
            "",
            "",
          ])
          .map((lines) => lines.join(end))
          .join("")
        const parser = new EventParser()
        const read: ServerEvent[] = []
        for (const cut of cuts) {
          read.push(...parser.push(text.slice(0, cut)))
          text = text.slice(cut)
        }
        read.push(...parser.push(text))
        expect(read).toEqual(events.map(({ event, data, id }) => ({ event, id, data: data.join("\n") })))
      },
    ),
  )
})

test("no text makes the parser throw", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      parsed(text)
    }),
  )
})

test("an event that was cut off is left out, and one without a name is a message", () => {
  expect(parsed("data:a\n\nevent: result\ndata: b\n")).toEqual([{ event: "message", data: "a" }])
})

test("a large event in many pieces takes time in proportion to its length", { timeout: 20_000 }, () => {
  const parser = new EventParser()
  const piece = "x".repeat(0x10000)
  parser.push("data: ")
  for (let sent = 0; sent < 512; sent++) expect(parser.push(piece)).toEqual([])
  expect(parser.push("\n\n")[0]?.data.length).toBe(512 * piece.length)
})

test("events come before the answer has ended, and whoever stops reading them cancels it", async () => {
  let cancelled = false
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => {
      controller.enqueue(new TextEncoder().encode(": running\n\nevent: stdout\ndata: 1\n\n"))
    },
    cancel: () => {
      cancelled = true
    },
  })
  for await (const event of readEvents(new Response(body))) {
    expect(event).toEqual({ event: "stdout", data: "1" })
    break
  }
  expect(cancelled).toBe(true)
})

test("an answer that breaks off fails its reader", async () => {
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      controller.error(new Error("gone"))
    },
  })
  await expect(readEvents(new Response(body)).next()).rejects.toThrow("gone")
})
