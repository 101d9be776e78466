/** One server-sent event. */
export interface ServerEvent {
  event: string
  data: string
}

/** The events of a finished `text/event-stream`; comments, and an event that was cut off, are left out. */
export function parseEventStream(text: string): ServerEvent[] {
  const events: ServerEvent[] = []
  let event = "message"
  let data: string[] = []
  const lines = text.split(/\r\n|\n|\r/).slice(0, -1)
  for (const line of lines) {
    if (line === "") {
      if (data.length > 0) events.push({ event, data: data.join("\n") })
      event = "message"
      data = []
    } else if (field(line) === "event") {
      event = value(line)
    } else if (field(line) === "data") {
      data.push(value(line))
    }
  }
  return events
}

const colon = (line: string) => (line.includes(":") ? line.indexOf(":") : line.length)

const field = (line: string) => line.slice(0, colon(line))

const value = (line: string) => line.slice(colon(line) + 1).replace(/^ /, "")
