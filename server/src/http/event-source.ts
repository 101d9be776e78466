/** Proxies and clients take a connection for dead that is silent for a minute or more. */
const heartbeatMs = 15_000

/** One server-sent event. */
export interface ServerEvent {
  name: string
  /** Sent as JSON. */
  data: unknown
  /** What a client that lost its connection names to go on after this event. */
  id?: string
}

/** Where the events of an answer go. */
export interface EventSink {
  /** Aborted when nobody listens any more, or when the server stops: the work behind the events has to end then. */
  readonly signal: AbortSignal
  /** Sends an event. Fulfilled when the client has taken all before it, and at once when it is gone. */
  readonly send: (event: ServerEvent) => Promise<void>
}

/** Sends the events of an answer but the last, which it gives back. */
export type EventProducer = (events: EventSink) => Promise<ServerEvent>

/** What the events of an answer depend on beyond their maker. */
interface EventSourceOptions {
  /** The data of the event `error`, which stands in the place of the last event when there is none. */
  errorData: (error: unknown) => unknown
  /** Aborts when the server stops. */
  stopping?: AbortSignal
}

/**
 * An answer of server-sent events. It begins at once and shows that it is alive; each event is sent as it happens, at the
 * pace of the client, and the one that `produce` gives back is the last.
 */
export function eventSource(
  produce: EventProducer,
  { errorData, stopping }: EventSourceOptions,
): ReadableStream<Uint8Array> {
  const ending = new AbortController()
  const stop = () => {
    ending.abort(stopping?.reason)
  }
  const encoder = new TextEncoder()
  let heartbeat: NodeJS.Timeout | undefined
  let gone = false
  let waiting: (() => void)[] = []
  const release = () => {
    const released = waiting
    waiting = []
    for (const resolve of released) resolve()
  }
  const end = () => {
    clearInterval(heartbeat)
    stopping?.removeEventListener("abort", stop)
  }
  return new ReadableStream<Uint8Array>({
    start(controller) {
      const push = (text: string) => {
        if (!gone) controller.enqueue(encoder.encode(text))
      }
      const send = async (event: ServerEvent) => {
        push(textOf(event))
        if (!gone && (controller.desiredSize ?? 0) <= 0) {
          await new Promise<void>((resolve) => waiting.push(resolve))
        }
      }
      push(": running\n\n")
      heartbeat = setInterval(() => {
        // A client that takes nothing needs no sign of life.
        if ((controller.desiredSize ?? 0) > 0) push(": still running\n\n")
      }, heartbeatMs)
      stopping?.addEventListener("abort", stop)
      if (stopping?.aborted === true) stop()
      void produce({ signal: ending.signal, send })
        .catch((error: unknown) => (gone ? undefined : { name: "error", data: errorData(error) }))
        .then((last) => {
          end()
          if (gone || last === undefined) return
          push(textOf(last))
          controller.close()
        })
    },
    pull: release,
    cancel() {
      gone = true
      end()
      ending.abort(new Error("nobody listens any more"))
      release()
    },
  })
}

/** The headers of an answer of events. */
export const eventHeaders = { "content-type": "text/event-stream", "cache-control": "no-cache" }

export function acceptsEventStream(request: Request): boolean {
  return request.headers.get("accept")?.includes("text/event-stream") ?? false
}

function textOf({ name, data, id }: ServerEvent): string {
  return `${id === undefined ? "" : `id: ${id}\n`}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`
}
