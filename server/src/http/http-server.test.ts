import { once } from "node:events"
import { Agent, get } from "node:http"
import { connect, type Socket } from "node:net"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { createTestServer, type TestServer } from "../testing/test-server.js"
import { HttpServer } from "./http-server.js"

let server: TestServer
let http: HttpServer

beforeEach(async () => {
  server = await createTestServer()
  http = await HttpServer.listen((request) => server.app.fetch(request, {}), { host: "127.0.0.1", port: 0 })
})
afterEach(async () => {
  await http.close()
  await server.close()
})

describe("a request body over a real connection", () => {
  it("is refused when it announces too much", async () => {
    const socket = openRequest("content-length: 1048577")

    expect(await answerOn(socket)).toMatch(/^HTTP\/1\.1 413 .*"code":"too_large"/s)
  })

  it("is refused when too much comes in chunks", async () => {
    const socket = openRequest("transfer-encoding: chunked")
    const chunk = `10000\r\n${"x".repeat(0x10000)}\r\n`
    for (let sent = 0; sent < 17; sent++) socket.write(chunk)

    expect(await answerOn(socket)).toMatch(/^HTTP\/1\.1 413 .*"code":"too_large"/s)
  })

  it("may come in chunks when it is small enough", async () => {
    const socket = openRequest("transfer-encoding: chunked")
    for (const part of ['{"name"', ':"box"}']) socket.write(`${part.length.toString(16)}\r\n${part}\r\n`)
    socket.write("0\r\n\r\n")

    expect(await answerOn(socket)).toMatch(/^HTTP\/1\.1 201 .*"name":"box"/s)
  })

  function openRequest(framing: string): Socket {
    const socket = connect(http.port, "127.0.0.1")
    // The server may close before it has read everything.
    socket.on("error", () => undefined)
    socket.write(`POST /vms HTTP/1.1\r\nhost: test\r\nx-api-key: ${server.keys.user}\r\n${framing}\r\n\r\n`)
    return socket
  }

  async function answerOn(socket: Socket): Promise<string> {
    const [data] = (await once(socket, "data")) as [Buffer]
    socket.destroy()
    return data.toString()
  }
})

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
