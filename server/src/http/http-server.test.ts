import { once } from "node:events"
import { Agent, get } from "node:http"
import { connect, type Socket } from "node:net"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { Failure } from "../failure.js"
import { echoOf } from "../testing/fake-sandboxes.js"
import { createTestServer, type TestServer } from "../testing/test-server.js"
import { HttpServer } from "./http-server.js"

let server: TestServer
let http: HttpServer

beforeEach(async () => {
  server = await createTestServer()
  http = await HttpServer.listen(
    { fetch: (request) => server.app.fetch(request, {}) },
    { host: "127.0.0.1", port: 0 },
  )
})
afterEach(async () => {
  await http.close()
  await server.close()
})

describe("a request body over a real connection", () => {
  it("is refused when it announces too much", async () => {
    const socket = open("POST /vms", "content-length: 1048577")

    expect(await answerOn(socket)).toMatch(/^HTTP\/1\.1 413 .*"code":"too_large"/s)
  })

  it("is refused when too much comes in chunks", async () => {
    const socket = open("POST /vms", "transfer-encoding: chunked")
    const chunk = `10000\r\n${"x".repeat(0x10000)}\r\n`
    for (let sent = 0; sent < 17; sent++) socket.write(chunk)

    expect(await answerOn(socket)).toMatch(/^HTTP\/1\.1 413 .*"code":"too_large"/s)
  })

  it.each(["with its length said ahead", "in chunks"])(
    "is answered also when the client sends much of it before it reads, %s",
    async (how) => {
      const large = "x".repeat(5_000_000)
      const chunked = how === "in chunks"
      const socket = open(
        "POST /vms",
        chunked ? "transfer-encoding: chunked" : `content-length: ${large.length}`,
      )
      socket.pause()
      const body = chunked ? `${large.length.toString(16)}\r\n${large}\r\n0\r\n\r\n` : large
      await new Promise<void>((resolve) => {
        socket.write(body, () => {
          resolve()
        })
      })
      let answer = ""
      for await (const part of socket.setEncoding("utf8")) answer += part as string
      expect(answer).toMatch(/^HTTP\/1\.1 413 .*"code":"too_large".*\}$/s)
    },
  )

  it("is answered, in time, also when it never ends", async () => {
    let sent = 0
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        sent += 0x100000
        controller.enqueue(new Uint8Array(0x100000))
      },
    })
    const answer = await fetch(`http://127.0.0.1:${http.port}/vms`, {
      ...{ method: "POST", headers: { "x-api-key": server.keys.user }, body, duplex: "half" },
    })
    expect(await answer.json()).toMatchObject({ code: "too_large" })
    expect(answer.status).toBe(413)
    expect(sent).toBeLessThan(0x10000000)
  })

  it("may come in chunks when it is small enough", async () => {
    const socket = open("POST /vms", "transfer-encoding: chunked")
    for (const part of ['{"name"', ':"box"}']) socket.write(`${part.length.toString(16)}\r\n${part}\r\n`)
    socket.write("0\r\n\r\n")

    expect(await answerOn(socket)).toMatch(/^HTTP\/1\.1 201 .*"name":"box"/s)
  })

  async function answerOn(socket: Socket): Promise<string> {
    const [data] = (await once(socket, "data")) as [Buffer]
    socket.destroy()
    return data.toString()
  }
})

describe("an archive over a real connection", () => {
  /** Or just the beginning of many bytes. */
  const aChunk = "2\r\nxx\r\n"

  const archive = (init: RequestInit = {}, path = "/vms/box/export") =>
    fetch(`http://127.0.0.1:${http.port}${path}`, { ...init, headers: { "x-api-key": server.keys.user } })

  /** Sends one part after the other for as long as someone reads. */
  function endless(onCancel: () => void): ReadableStream<Uint8Array> {
    return new ReadableStream({
      pull: (controller) => {
        controller.enqueue(new Uint8Array(0x10000))
      },
      cancel: onCancel,
    })
  }

  beforeEach(() => server.sandboxes.create(server.userId, { name: "box" }))

  it("arrives whole, whatever its size", async () => {
    let left = 100
    server.sandboxes.onExport = () =>
      Promise.resolve(
        new ReadableStream({
          pull: (controller) => {
            if (left-- > 0) controller.enqueue(new Uint8Array(0x10000))
            else controller.close()
          },
        }),
      )
    const response = await archive()

    expect(response.headers.get("content-type")).toBe("application/zstd")
    expect((await response.arrayBuffer()).byteLength).toBe(100 * 0x10000)
  })

  it.each(["at once", "midway"])("that fails %s breaks the connection and does not say why", async (when) => {
    const console = vi.spyOn(globalThis.console, "error")
    server.sandboxes.onExport = () =>
      Promise.resolve(
        new ReadableStream({
          pull: (controller) => {
            controller.error(new Error("/var/lib/secret is gone"))
          },
          start: (controller) => {
            if (when === "midway") controller.enqueue(Buffer.from("the beginning"))
          },
        }),
      )
    const answer = await text(open("GET /vms/box/export"))

    expect(answer).toMatch(/^HTTP\/1\.1 200 /)
    expect(answer).not.toMatch(/secret|\r\n0\r\n/)
    expect(server.logged()).toContain("secret")
    expect(console).not.toHaveBeenCalled()
  })

  it("is given up when the client goes away", async () => {
    const cancelled = new Promise<void>((resolve) => {
      server.sandboxes.onExport = () => Promise.resolve(endless(resolve))
    })
    const socket = open("GET /vms/box/export")
    socket.once("data", () => socket.destroy())

    await cancelled
  })

  it("is given up when the client went away before it began", async () => {
    const cancelled = new Promise<void>((resolve) => {
      server.sandboxes.onExport = async () => {
        socket.destroy()
        await once(socket, "close")
        return endless(resolve)
      }
    })
    const socket = open("GET /vms/box/export")

    await cancelled
  })

  it("may be imported beyond the bound of other bodies", async () => {
    let bytes = 0
    server.sandboxes.onImport = async (body) => {
      bytes = (await new Response(body).arrayBuffer()).byteLength
    }
    const body = new Uint8Array(0x300000)
    const response = await archive({ method: "POST", body }, "/vms/new/import")

    expect(await response.json()).toMatchObject({ name: "new" })
    expect(response.status).toBe(201)
    expect(bytes).toBe(0x300000)
  })

  it("may be imported with an answer in events, which begins before the archive has ended", async () => {
    const body = new TransformStream<Uint8Array>()
    const writer = body.writable.getWriter()
    const request = { method: "POST", body: body.readable, duplex: "half" }
    const headers = { "x-api-key": server.keys.user, accept: "text/event-stream" }
    const answer = fetch(`http://127.0.0.1:${http.port}/vms/new/import`, { ...request, headers })
    await writer.write(Buffer.from("an arch"))
    const response = await answer
    await writer.write(Buffer.from("ive"))
    await writer.close()

    expect(await response.text()).toMatch(/^: running\n\nevent: result\ndata: \{.*"name":"new".*\}\n\n$/)
    expect(server.sandboxes.imported).toBe("an archive")
  })

  it.each(["transfer-encoding: chunked", "content-length: 9000000"])(
    "that breaks off while it is imported is an error for whoever reads it (%s)",
    async (framing) => {
      const socket = open("POST /vms/new/import", framing, aChunk)
      const failed = new Promise<unknown>((resolve) => {
        server.sandboxes.onImport = async (body) => {
          const reader = body.getReader()
          await reader.read()
          socket.destroy()
          resolve(await reader.read().catch((error: unknown) => error))
        }
      })

      expect(await failed).toMatchObject({ name: "Failure", code: "invalid_request" })
    },
  )

  it("that is refused is answered, though more of it is on its way", async () => {
    server.sandboxes.onImport = async (body) => {
      const reader = body.getReader()
      await reader.read()
      throw new Failure("invalid_request", "This is no archive.", { field: "body" })
    }
    const socket = open("POST /vms/new/import", "content-length: 9000000", aChunk)

    expect(await text(socket)).toMatch(/^HTTP\/1\.1 400 .*"This is no archive\."/s)
  })

  /** All that comes on a connection until the server ends it. */
  async function text(socket: Socket): Promise<string> {
    let received = ""
    socket.on("data", (data: Buffer) => (received += data.toString()))
    await new Promise((resolve) => socket.on("close", resolve))
    return received
  }
})

describe("a command over a real connection", () => {
  const command = JSON.stringify({ command: "true", stream: true })
  const framing = `accept: text/event-stream\r\ncontent-length: ${command.length}`
  const run = () => open("POST /vms/box/run", framing, command)
  const chunk = Buffer.alloc(0x8000, "x")

  beforeEach(() => server.sandboxes.create(server.userId, { name: "box" }))

  it.each(["while it waits", "in the middle of its events"])(
    "is told when its client goes away %s",
    async (when) => {
      const gone = new Promise<void>((resolve) => {
        server.sandboxes.onRun = async (request, { signal, listener }) => {
          signal?.addEventListener("abort", () => {
            resolve()
          })
          if (when === "while it waits") {
            socket.destroy()
            return new Promise(() => undefined)
          }
          while (signal?.aborted === false) await listener?.onStdout(chunk)
          return echoOf(request)
        }
      })
      const socket = run()
      socket.once("data", () => socket.destroy())

      await gone
    },
  )

  it("is held up by a client that stops reading, whose output takes no memory, and goes on with it", async () => {
    const chunks = 3_000
    let told = 0
    server.sandboxes.onRun = async (request, { listener }) => {
      for (; told < chunks; told++) await listener?.onStdout(chunk)
      return echoOf(request)
    }
    const socket = run()
    await once(socket, "data")
    socket.pause()
    const before = process.memoryUsage()
    // It tells no more once the buffers between the two are full.
    let last = -1
    await vi.waitFor(
      () => {
        const still = told === last
        last = told
        expect(still).toBe(true)
      },
      { timeout: 20_000, interval: 300 },
    )
    const during = process.memoryUsage()

    expect(told).toBeGreaterThan(0)
    expect(told).toBeLessThan(chunks / 2)
    expect(during.arrayBuffers + during.external - before.arrayBuffers - before.external).toBeLessThan(
      4_000_000,
    )
    expect((await fetch(`http://127.0.0.1:${http.port}/health`)).status).toBe(200)

    let received = 0
    let end = ""
    socket.on("data", (data: Buffer) => {
      received += data.length
      end = (end + data.toString("latin1")).slice(-2_000)
    })
    socket.resume()
    await vi.waitFor(() => expect(end).toContain("event: result"), { timeout: 30_000 })
    socket.destroy()

    expect(told).toBe(chunks)
    expect(received).toBeGreaterThan(chunks * 0x7000)
  })
})

/** A connection on which a request was begun. */
function open(what: string, framing = "content-length: 0", body = ""): Socket {
  const socket = connect(http.port, "127.0.0.1")
  // The server may close before it has read everything.
  socket.on("error", () => undefined)
  const headers = `host: test\r\nx-api-key: ${server.keys.user}\r\n${framing}`
  socket.write(`${what} HTTP/1.1\r\n${headers}\r\n\r\n${body}`)
  return socket
}

describe("a server that stops", () => {
  it("answers what is under way with unavailable, and what still comes", async () => {
    await server.app.request("/vms", requestOf("POST", { name: "box" }), {})
    let started: () => void = () => undefined
    const running = new Promise<void>((resolve) => (started = resolve))
    server.sandboxes.onRun = () => {
      started()
      return new Promise(() => undefined)
    }
    const answer = fetch(urlOf("/vms/box/run"), requestOf("POST", { command: "sleep 1d" }))
    await running

    const closed = Promise.all([http.close(), server.inFlight.stop(0)])

    expect((await answer).headers.get("connection")).toBe("close")
    expect(await (await answer).json()).toMatchObject({ code: "unavailable" })
    const late = await server.app.request("/vms", requestOf("GET"), {})
    expect(late.status).toBe(503)
    await closed
  })

  it("lets what is nearly done come to its end", async () => {
    const done = server.inFlight.run(async () => {
      await Promise.resolve()
      return "done"
    })
    await server.inFlight.stop(60_000)

    expect(await done).toBe("done")
  })

  it("does not wait for connections on which nothing happens", async () => {
    const agent = new Agent({ keepAlive: true })
    const [response] = (await once(get(urlOf("/health"), { agent }), "response")) as [NodeJS.ReadableStream]
    response.resume()
    await once(response, "end")

    const before = performance.now()
    await http.close()

    expect(performance.now() - before).toBeLessThan(1_000)
    agent.destroy()
  })

  function urlOf(path: string): string {
    return `http://127.0.0.1:${http.port}${path}`
  }

  function requestOf(method: string, body?: unknown) {
    return {
      method,
      headers: { "x-api-key": server.keys.user },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    }
  }
})
