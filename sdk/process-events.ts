import { parseJson, told } from "./answer.js"
import type { Call, Caller } from "./call.js"
import { EventParser, type ServerEvent } from "./event-stream.js"
import { failure, type Failure } from "./results.js"
import { isProcessEnd, isProcessOutput, isSkipped } from "./shapes.js"
import type { ProcessEnd } from "./wire-types.js"

/** How long a server that cannot be reached is tried again, in milliseconds. */
const reconnectMs = 60_000

/** How long is waited before each further try, in milliseconds. */
const pauseMs = 500

/** What a process printed, in the order in which it came. */
export type ProcessEvent =
  { kind: "stdout" | "stderr"; bytes: Uint8Array<ArrayBuffer> } | { kind: "skipped"; count: number }

/** Why no more events come: the process's end, undefined where it still runs and was not followed, or a failure. */
export type Outcome = ({ success: true } & ProcessEnd) | { success: true; running: true } | Failure

/** What of a process is listened to. */
export interface Listening {
  streams: "both" | "stdout" | "stderr" | "none"
  /** Where to begin, in bytes of all that the process ever printed; the oldest that is kept when left out. */
  offset: number | undefined
  follow: boolean
  /** Ends the listening, which then fails with `aborted`. */
  signal: AbortSignal
}

/** The failure of what `signal` ended. */
export const detached = failure("aborted", "The process was detached from; it goes on")

/**
 * What a process prints, as it comes. A connection that breaks off is made anew, and goes on where it was; the server is
 * tried for a minute. Never throws.
 */
export async function* processEvents(
  caller: Caller,
  output: Call,
  { streams, offset, follow, signal }: Listening,
): AsyncGenerator<ProcessEvent, Outcome, undefined> {
  let next = offset
  let lost: { since: number; failure: Failure } | undefined
  while (!signal.aborted) {
    const query = { streams, offset: next?.toString(), follow: String(follow) }
    const answer = await caller.stream({ ...output, query, signal }, "text/event-stream")
    if (answer.success) {
      for await (const { event, data, id } of serverEvents(answer.body, signal)) {
        lost = undefined
        const read = readEvent(event, parseJson(data))
        if (read !== undefined && "success" in read) {
          if (read.success || read.code !== "unavailable") return read
          lost = { since: Date.now(), failure: read }
        } else if (read !== undefined) {
          if (id !== undefined) next = Number(id)
          yield read
        }
      }
    } else if (answer.code !== "unavailable" && answer.code !== "timeout") {
      return lost?.failure ?? answer
    }
    lost ??= { since: Date.now(), failure: answer.success ? brokenOff : answer }
    if (Date.now() - lost.since > reconnectMs) return lost.failure
    await pause(signal)
  }
  return detached
}

const brokenOff = failure("unavailable", "The connection to the server broke off")

/** The events of an answer, until it ends or breaks off, or `signal` ends it. */
async function* serverEvents(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<ServerEvent, void, undefined> {
  const reader = body.getReader()
  // A read that waits ends with that as well.
  const cancel = () => void reader.cancel().catch(() => undefined)
  signal.addEventListener("abort", cancel)
  if (signal.aborted) cancel()
  const decoder = new TextDecoder()
  const parser = new EventParser()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      yield* parser.push(decoder.decode(value, { stream: true }))
    }
  } catch {
    // It broke off: where it can be gone on with, it is.
  } finally {
    signal.removeEventListener("abort", cancel)
    cancel()
  }
}

function readEvent(event: string, data: unknown): ProcessEvent | Outcome | undefined {
  if ((event === "stdout" || event === "stderr") && isProcessOutput(data)) {
    return { kind: event, bytes: Uint8Array.from(atob(data.base64), (character) => character.charCodeAt(0)) }
  }
  if (event === "skipped" && isSkipped(data)) return { kind: "skipped", count: data.bytes }
  if (event === "exit" && isProcessEnd(data)) return { success: true, ...data }
  if (event === "replayed") return { success: true, running: true }
  return event === "error" ? told(data) : undefined
}

/** Waits a little, or until `signal` is aborted. */
function pause(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer)
      signal.removeEventListener("abort", end)
      resolve()
    }
    const timer = setTimeout(end, pauseMs)
    signal.addEventListener("abort", end)
    if (signal.aborted) end()
  })
}
