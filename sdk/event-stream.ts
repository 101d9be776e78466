import { AnswerTooLarge, maxAnswerBytes } from "./answer-bytes.js"

/** One server-sent event. */
export interface ServerEvent {
  event: string
  data: string
  /** What the server calls the event, so that a client that lost its connection can go on after it. */
  id?: string
}

/** Turns a `text/event-stream` into events, however it was cut into pieces. Comments are left out. */
export class EventParser {
  /** The pieces of the line that has not ended yet. */
  #line: string[] = []
  #afterReturn = false
  #event = "message"
  #id: string | undefined
  #data: string[] = []
  /** Characters that are kept until their event is complete. */
  #kept = 0

  /**
   * The events that the text completes.
   * @throws AnswerTooLarge when an event is larger than any that a server sends
   */
  push(text: string): ServerEvent[] {
    if (text === "") return []
    // The two characters of one line end may come apart.
    const rest = this.#afterReturn && text.startsWith("\n") ? text.slice(1) : text
    this.#afterReturn = text.endsWith("\r")
    this.#kept += rest.length
    if (this.#kept > maxAnswerBytes) throw new AnswerTooLarge()
    const lines = rest.split(/\r\n|\n|\r/)
    const unended = lines.pop() ?? ""
    const events: ServerEvent[] = []
    for (const end of lines) {
      const line = this.#line.join("") + end
      this.#line = []
      const event = this.#read(line)
      if (event !== undefined) events.push(event)
    }
    this.#line.push(unended)
    return events
  }

  /** Takes in a line; gives the event that it ends. */
  #read(line: string): ServerEvent | undefined {
    if (line === "") return this.#finish()
    const colon = line.includes(":") ? line.indexOf(":") : line.length
    const value = line.slice(colon + 1).replace(/^ /, "")
    const field = line.slice(0, colon)
    if (field === "event") this.#event = value
    else if (field === "data") this.#data.push(value)
    else if (field === "id") this.#id = value
    return undefined
  }

  #finish(): ServerEvent | undefined {
    const event = { event: this.#event, data: this.#data.join("\n") }
    const complete = this.#data.length > 0
    const id = this.#id
    this.#event = "message"
    this.#id = undefined
    this.#data = []
    this.#kept = 0
    if (!complete) return undefined
    return id === undefined ? event : { ...event, id }
  }
}

/**
 * The events of an answer as they come; one that was cut off is left out. Whoever stops reading them cancels the answer.
 * @throws AnswerTooLarge, and what the answer breaks off with
 */
export async function* readEvents(response: Response): AsyncGenerator<ServerEvent, void, undefined> {
  if (response.body === null) return
  const reader = response.body.getReader()
  const decoder = new TextDecoder()
  const parser = new EventParser()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      yield* parser.push(decoder.decode(value, { stream: true }))
    }
  } finally {
    // Does nothing to an answer that has ended.
    reader.cancel().catch(() => undefined)
  }
}
