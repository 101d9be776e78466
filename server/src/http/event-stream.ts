/** Proxies and clients take a connection for dead that is silent for a minute or more. */
const heartbeatMs = 15_000

/** One server-sent event. */
export interface ServerEvent {
  name: "result" | "error"
  /** Sent as JSON. */
  data: unknown
}

/** An answer that begins at once, shows that it is alive, and ends with the event that `outcome` brings. */
export function eventStream(outcome: Promise<ServerEvent>): Response {
  let heartbeat: NodeJS.Timeout
  let cancelled = false
  const encoder = new TextEncoder()
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      const send = (text: string) => {
        if (!cancelled) controller.enqueue(encoder.encode(text))
      }
      send(": running\n\n")
      heartbeat = setInterval(send, heartbeatMs, ": still running\n\n")
      void outcome.then(({ name, data }) => {
        clearInterval(heartbeat)
        send(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`)
        if (!cancelled) controller.close()
      })
    },
    cancel() {
      cancelled = true
      clearInterval(heartbeat)
    },
  })
  return new Response(stream, {
    headers: { "content-type": "text/event-stream", "cache-control": "no-cache" },
  })
}

export function acceptsEventStream(request: Request): boolean {
  return request.headers.get("accept")?.includes("text/event-stream") ?? false
}
