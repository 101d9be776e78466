import { once } from "node:events"
import { createServer, type RequestListener } from "node:http"
import type { AddressInfo } from "node:net"
import { afterEach, expect, test, vi } from "vitest"
import { Client } from "./index.js"
import { Transport } from "./transport.js"

afterEach(() => {
  vi.useRealTimers()
})

const vm = {
  id: 1,
  name: "box",
  status: "running",
  agent_port: 1,
  ssh_port: 2,
  agentHealthy: true,
  accelerator: "tcg",
  network: "none",
  snapshots: "disk",
  cpus: 1,
  memory_mb: 512,
  disk_gb: 10,
  idle_timeout: null,
  expires_at: null,
  degraded: null,
  created_at: "2026-01-02T03:04:05.678Z",
}

/** A server that answers before it has read a request, and the SDK's client for it. */
async function serve(answer: RequestListener) {
  const server = createServer(answer)
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  return {
    client: new Client("ws_k", `http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** A stream that gives parts until nobody wants them any more. */
function endless(part = new Uint8Array(0x10000)) {
  let cancel: () => void = () => undefined
  const cancelled = new Promise<void>((resolve) => (cancel = resolve))
  const stream = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      controller.enqueue(part)
    },
    cancel,
  })
  return { stream, cancelled }
}

const accepts = (body: unknown): body is unknown => body !== undefined
const call = { method: "POST", path: ["vms"] } as const

const silent = () => new ReadableStream<Uint8Array>({ pull: () => new Promise(() => undefined) })

async function exported(client: Client): Promise<ReadableStream<Uint8Array>> {
  const result = await client.sandbox("box").export()
  if (!result.success) throw new Error(result.error)
  return result.archive
}

const zstd = { "content-type": "application/zstd" }

test("a download that breaks off fails, and never looks complete", async () => {
  await using server = await serve((_request, response) => {
    response.writeHead(200, zstd)
    response.write("the beginning", () => response.destroy())
  })
  const archive = await exported(server.client)

  await expect(new Response(archive).text()).rejects.toThrow(/^http:.* broke off: /)
})

test("a download that nobody wants any more ends on the server too", async () => {
  let closed: () => void = () => undefined
  const left = new Promise<void>((resolve) => (closed = resolve))
  await using server = await serve((_request, response) => {
    response.on("close", closed)
    response.writeHead(200, zstd)
    response.write("the beginning")
  })
  const reader = (await exported(server.client)).getReader()
  await reader.read()
  await reader.cancel()

  await left
})

test("a download on which nothing moves for a minute fails", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })
  const transport = transportThatGets((signal) => new Response(aborting(silent(), signal), { headers: zstd }))
  const answer = await transport.stream({ method: "GET", path: ["vms"] }, "application/zstd")
  if (!answer.success) throw new Error(answer.error)
  // Not even begun, it costs nothing to wait.
  await vi.advanceTimersByTimeAsync(600_000)
  const read = answer.body.getReader().read()
  const failed = expect(read).rejects.toThrow("http://server sent nothing for 60 seconds")
  await vi.advanceTimersByTimeAsync(60_000)

  await failed
})

test.each([
  ["an error", Response.json({ error: "no", code: "not_found" }, { status: 404 }), "not_found"],
  [
    "what a proxy says",
    new Response("<html>hello</html>", { headers: { "content-type": "text/html" } }),
    "internal",
  ],
  ["JSON", Response.json({}), "internal"],
])("a download that turns out to be %s is a failure", async (_what, response, code) => {
  const transport = transportThatGets(() => response)
  const content = { method: "GET", path: ["vms"] } as const
  expect(await transport.stream(content, "application/zstd")).toMatchObject({ success: false, code })
})

test("an upload that is refused early fails with the server's words and lets go of its source", async () => {
  const { stream, cancelled } = endless()
  await using server = await serve((request, response) => {
    request.once("data", () => {
      response.writeHead(409, { "content-type": "application/json" })
      response.end('{"error":"taken","code":"already_exists"}')
    })
  })

  expect(await server.client.import("box", stream)).toEqual({
    success: false,
    error: "taken",
    code: "already_exists",
  })
  await cancelled
})

test("an upload whose source fails is broken off, and says why", async () => {
  let broken: () => void = () => undefined
  const aborted = new Promise<void>((resolve) => (broken = resolve))
  await using server = await serve((request) => {
    request.on("error", broken).resume()
  })
  let parts = 0
  const source = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      if (parts++ < 3) controller.enqueue(new Uint8Array(1024))
      else controller.error(new Error("the disk is gone"))
    },
  })

  expect(await server.client.import("box", source)).toEqual({
    success: false,
    error: "What was to be sent could not be read: the disk is gone",
    code: "invalid_request",
  })
  await aborted
})

test("an upload on which nothing moves for a minute is given up", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })
  const transport = transportThatGets(untilAborted)
  let cancelled = false
  const source = new ReadableStream<Uint8Array>({
    start: (controller) => {
      controller.enqueue(new Uint8Array(1))
    },
    cancel: () => void (cancelled = true),
  })
  const answer = transport.upload(call, source, accepts)
  await vi.advanceTimersByTimeAsync(60_000)

  expect(await answer).toEqual({
    success: false,
    code: "timeout",
    error: "Nothing could be sent to http://server for 60 seconds",
  })
  expect(cancelled).toBe(true)
  expect(vi.getTimerCount()).toBe(0)
})

test("a server has two minutes to answer an upload that has arrived", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })
  const transport = transportThatGets(untilAborted)
  let settled = false
  const answer = transport
    .upload(call, new Blob(["all of it"]).stream(), accepts)
    .finally(() => (settled = true))
  await vi.advanceTimersByTimeAsync(119_000)
  expect(settled).toBe(false)
  await vi.advanceTimersByTimeAsync(1_000)

  expect(await answer).toMatchObject({
    code: "timeout",
    error: "http://server did not answer within 120 seconds",
  })
})

test.each([
  ["a stream", () => new Blob(["archive"]).stream()],
  ["a blob", () => new Blob(["archive"])],
  ["bytes", () => new TextEncoder().encode("archive")],
])("%s can be uploaded", async (_what, content) => {
  let received = ""
  await using server = await serve((request, response) => {
    request.on("data", (chunk: Buffer) => (received += chunk.toString()))
    request.on("end", () => {
      response.writeHead(201, { "content-type": "application/json" }).end(JSON.stringify(vm))
    })
  })

  expect(await server.client.import("box", content())).toMatchObject({ success: true })
  expect(received).toBe("archive")
})

test("an upload may be answered with events from its beginning on", async () => {
  let received = 0
  await using server = await serve((request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" })
    response.write(": running\n\n")
    request.on("data", (chunk: Buffer) => (received += chunk.length))
    request.on("end", () => response.end(`event: result\ndata: ${JSON.stringify(vm)}\n\n`))
  })
  const archive = new Blob([new Uint8Array(3_000_000)])

  expect(await server.client.import("box", archive.stream())).toMatchObject({ success: true })
  expect(received).toBe(3_000_000)
})

test("an answer in events on which nothing moves for a minute is given up", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })
  const headers = { "content-type": "text/event-stream" }
  let beat: () => void = () => undefined
  const heartbeats = new ReadableStream<Uint8Array>({
    start: (controller) => {
      beat = () => controller.enqueue(new TextEncoder().encode(": still running\n\n"))
    },
  })
  const transport = transportThatGets((signal) => new Response(aborting(heartbeats, signal), { headers }))
  let settled = false
  const answer = transport.upload(call, new Uint8Array(1), accepts).finally(() => (settled = true))
  for (let minutes = 0; minutes < 10; minutes++) {
    await vi.advanceTimersByTimeAsync(59_000)
    expect(settled).toBe(false)
    beat()
  }
  await vi.advanceTimersByTimeAsync(60_000)

  expect(await answer).toMatchObject({ code: "timeout", error: "http://server sent nothing for 60 seconds" })
})

test("content of known size has time for its size", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })
  const transport = transportThatGets(untilAborted)
  let settled = false
  const answer = transport.upload(call, new Uint8Array(64_000_000), accepts).finally(() => (settled = true))
  await vi.advanceTimersByTimeAsync(1_119_000)
  expect(settled).toBe(false)
  await vi.advanceTimersByTimeAsync(1_000)

  expect(await answer).toMatchObject({ code: "timeout" })
})

/** A transport whose fetch does as it is told, and reads what it is to send. */
function transportThatGets(answer: (signal: AbortSignal) => Response | Promise<Response>): Transport {
  return new Transport("ws_k", "http://server", {
    fetch: async (_url, init) => {
      const signal = init?.signal ?? new AbortController().signal
      if (init?.body instanceof ReadableStream)
        sink(init.body as ReadableStream<Uint8Array>).catch(() => undefined)
      return answer(signal)
    },
    pause: () => Promise.resolve(),
  })
}

async function sink(body: ReadableStream<Uint8Array>): Promise<void> {
  const reader = body.getReader()
  while (!(await reader.read()).done);
}

const untilAborted = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => {
      reject(signal.reason as Error)
    })
  })

/** A body as fetch gives it: it fails when the request is aborted. */
function aborting(body: ReadableStream<Uint8Array>, signal: AbortSignal): ReadableStream<Uint8Array> {
  return body.pipeThrough(new TransformStream<Uint8Array, Uint8Array>(), { signal })
}
