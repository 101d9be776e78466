import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { expect, test } from "vitest"
import { sendJson, startTestServer } from "./testing/test-server.js"
import { Transport, type Effects } from "./transport.js"
import type { WebSocketLike } from "./web-socket.js"

const list = { method: "GET", path: ["vms"] } as const
const post = { method: "POST", path: ["vms"], body: {} } as const
const anything = (body: unknown): body is unknown => body !== undefined

/** A transport whose fetch gives the next of these answers at each try; an Error is thrown. */
function transportWith(...answers: (Response | Error)[]) {
  const pauses: number[] = []
  const inits: (RequestInit | undefined)[] = []
  const effects: Effects = {
    fetch: (_url, init) => {
      inits.push(init)
      const answer = answers.shift()
      return answer instanceof Response
        ? Promise.resolve(answer)
        : Promise.reject(answer ?? new Error("no more"))
    },
    pause: (milliseconds) => {
      pauses.push(milliseconds)
      return Promise.resolve()
    },
  }
  return { transport: new Transport("ws_k", "http://server", effects), effects, pauses, inits }
}

async function unusedUrl(): Promise<string> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return `http://127.0.0.1:${port}`
}

test("a server that is not there is unavailable, and the text says what to do", async () => {
  const transport = new Transport("ws_k", await unusedUrl())
  for (const call of [list, post]) {
    const answer = await transport.call(call, anything)
    expect(answer).toMatchObject({ success: false, code: "unavailable" })
    expect(!answer.success && answer.error).toMatch(/ECONNREFUSED.*opensandbox serve/)
  }
})

test("a server that hangs runs into the deadline", async () => {
  await using server = await startTestServer(() => undefined)
  const transport = new Transport("ws_k", server.url)
  expect(await transport.call({ ...list, deadlineMs: 50 }, anything)).toMatchObject({
    success: false,
    code: "timeout",
  })
})

test("a server that hangs in the middle of its answer runs into the deadline", async () => {
  await using server = await startTestServer((_request, response) => {
    response.writeHead(200, { "content-type": "application/json" })
    response.write('{"vms":')
  })
  const transport = new Transport("ws_k", server.url)
  expect(await transport.call({ ...list, deadlineMs: 200 }, anything)).toMatchObject({
    success: false,
    code: "timeout",
  })
})

test("a connection that breaks in the middle of an answer is unavailable", async () => {
  await using server = await startTestServer((_request, response) => {
    response.writeHead(200, { "content-length": "100" })
    response.write("{", () => response.destroy())
  })
  const transport = new Transport("ws_k", server.url)
  expect(await transport.call(post, anything)).toMatchObject({ success: false, code: "unavailable" })
})

test("a GET is tried three times, with pauses", async () => {
  const down = () => Response.json({ error: "starting", code: "unavailable" }, { status: 503 })
  const { transport, pauses } = transportWith(
    down(),
    new TypeError("fetch failed"),
    Response.json({ vms: [] }),
  )
  expect(await transport.call(list, anything)).toEqual({ success: true, body: { vms: [] }, status: 200 })
  expect(pauses).toEqual([100, 400])
})

test("a GET gives up after the third try", async () => {
  const { transport, inits } = transportWith()
  expect(await transport.call(list, anything)).toMatchObject({ success: false, code: "unavailable" })
  expect(inits).toHaveLength(3)
})

test("neither a POST nor a refusal is tried again", async () => {
  const first = transportWith(new TypeError("fetch failed"))
  await first.transport.call(post, anything)
  expect(first.inits).toHaveLength(1)
  const second = transportWith(Response.json({ error: "no", code: "not_found" }, { status: 404 }))
  await second.transport.call(list, anything)
  expect(second.inits).toHaveLength(1)
})

test("a redirect is not followed, so that the key goes to no other host", async () => {
  await using server = await startTestServer((request, response) => {
    if (request.path === "/vms") response.writeHead(307, { location: "/elsewhere" }).end()
    else sendJson(response, 200, {})
  })
  const transport = new Transport("ws_k", server.url)
  expect(await transport.call(post, anything)).toMatchObject({ success: false, code: "unavailable" })
  expect(server.requests.map((request) => request.path)).toEqual(["/vms"])
})

test.each([
  ["no JSON", new Response("<html>hello</html>"), "internal"],
  ["nothing", new Response(null), "internal"],
  ["an HTML error", new Response("<html>not here</html>", { status: 404 }), "internal"],
  ["a proxy's error", new Response("<html>bad gateway</html>", { status: 502 }), "unavailable"],
  ["a code of the future", Response.json({ error: "x", code: "melted" }, { status: 500 }), "internal"],
  ["a code that is no string", Response.json({ error: "x", code: { a: 1 } }, { status: 409 }), "internal"],
  [
    "a prototype's name as code",
    Response.json({ error: "x", code: "toString" }, { status: 409 }),
    "internal",
  ],
  ["an error that is no string", Response.json({ error: 5, code: "busy" }, { status: 409 }), "internal"],
])("an answer that is %s becomes a failure with clear words", async (_what, response, code) => {
  const { transport } = transportWith(response)
  const answer = await transport.call(post, anything)
  expect(answer).toMatchObject({ success: false, code })
  expect(!answer.success && answer.error).not.toBe("")
})

test("an answer of the wrong shape is internal", async () => {
  const { transport } = transportWith(Response.json({ vms: "many" }))
  const answer = await transport.call(post, (body): body is string => typeof body === "string")
  expect(answer).toMatchObject({ success: false, code: "internal" })
})

test("a large error comes whole", async () => {
  const body = { error: "timed out", code: "timeout", stdout: "x".repeat(8 * 1024 * 1024), stderr: "" }
  await using server = await startTestServer((_request, response) => {
    sendJson(response, 504, body)
  })
  expect(await new Transport("ws_k", server.url).call(post, anything)).toEqual({ success: false, ...body })
})

test("an endless answer is given up", async () => {
  const chunk = new Uint8Array(1024 * 1024).fill(32)
  let cancelled = false
  const endless = new ReadableStream({
    pull: (controller) => {
      controller.enqueue(chunk)
    },
    cancel: () => {
      cancelled = true
    },
  })
  const { transport } = transportWith(new Response(endless))
  expect(await transport.call(post, anything)).toMatchObject({ success: false, code: "internal" })
  expect(cancelled).toBe(true)
})

test("an address that is no URL is an invalid request", async () => {
  const transport = new Transport("ws_k", "nonsense")
  expect(await transport.call(list, anything)).toMatchObject({ success: false, code: "invalid_request" })
})

test("characters that are split between chunks are put together", async () => {
  const bytes = new TextEncoder().encode(JSON.stringify({ stdout: "grüße 🙂" }))
  const stream = new ReadableStream<Uint8Array>({
    start: (controller) => {
      for (const byte of bytes) controller.enqueue(Uint8Array.of(byte))
      controller.close()
    },
  })
  const { transport } = transportWith(new Response(stream))
  expect(await transport.call(post, anything)).toEqual({
    success: true,
    body: { stdout: "grüße 🙂" },
    status: 200,
  })
})

test("an answer whose body does not heed the signal any more breaks off all the same, and is cancelled", async () => {
  let cancelled = false
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(new TextEncoder().encode('event: stdout\ndata: "begun"\n\n'))
    },
    cancel() {
      cancelled = true
    },
  })
  const { transport } = transportWith(
    new Response(body, { headers: { "content-type": "text/event-stream" } }),
  )
  const stop = new AbortController()
  const onEvent = () => {
    stop.abort()
  }
  const call = { ...post, eventStream: true, onEvent, signal: stop.signal }
  expect(await transport.call(call, anything)).toMatchObject({ success: false, code: "aborted" })
  expect(cancelled).toBe(true)
})

test("a WebSocket goes to the same server, without the key", () => {
  class Recorded implements WebSocketLike {
    binaryType = ""
    readonly url: string
    constructor(url: string) {
      this.url = url
    }
    send = () => undefined
    close = () => undefined
    addEventListener = () => undefined
  }
  const { effects } = transportWith()
  const open = (baseUrl: string) =>
    new Transport("ws_k", baseUrl, { ...effects, WebSocket: Recorded }).webSocket(["vms", "a", "terminal"], {
      ticket: "t",
    })
  expect(open("http://host:1/base/")).toMatchObject({
    body: { url: "ws://host:1/base/vms/a/terminal?ticket=t" },
  })
  expect(open("https://host")).toMatchObject({ body: { url: "wss://host/vms/a/terminal?ticket=t" } })
})

test("a runtime without WebSockets is told how to get one", () => {
  const { effects } = transportWith()
  expect(new Transport("ws_k", "http://host", effects).webSocket(["vms"], {})).toMatchObject({
    success: false,
    code: "unavailable",
    error: expect.stringContaining("{ WebSocket }") as string,
  })
})
