import { once } from "node:events"
import { createServer, request, type IncomingMessage, type RequestOptions, type Server } from "node:http"
import { connect, createServer as createTcpServer, type AddressInfo, type Socket } from "node:net"
import { PassThrough } from "node:stream"
import { text } from "node:stream/consumers"
import { pino } from "pino"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { Failure } from "../failure.js"
import { HttpServer } from "../http/http-server.js"
import { createTestServer, type TestServer } from "../testing/test-server.js"
import { PortProxy } from "./port-proxy.js"

let server: TestServer
let http: HttpServer
/** The server in the sandbox, with what it was asked. */
let guest: Server
let asked: IncomingMessage[]

beforeEach(async () => {
  server = await createTestServer()
  await server.sandboxes.create(server.userId, { name: "box" })
  asked = []
  guest = createServer((incoming, response) => {
    asked.push(incoming)
    response.end("from the guest")
  })
  await listening(guest)
  server.sandboxes.onConnect = () => connected(guest)
  const proxy = new PortProxy({
    access: server.portAccess,
    service: () => server.sandboxes,
    domain: "box.example.com",
    log: pino({ level: "silent" }),
  })
  const fetch = (request: Request) => server.app.fetch(request, {})
  http = await HttpServer.listen({ fetch, proxy }, { host: "127.0.0.1", port: 0 })
})

afterEach(async () => {
  guest.closeAllConnections()
  guest.close()
  await http.close()
  await server.close()
})

async function listening(listener: Pick<Server, "listen" | "once">): Promise<void> {
  const ready = new Promise((resolve) => listener.once("listening", resolve))
  listener.listen(0, "127.0.0.1")
  await ready
}

async function connected(listener: { address(): AddressInfo | string | null }): Promise<Socket> {
  const socket = connect((listener.address() as AddressInfo).port, "127.0.0.1")
  socket.on("error", () => undefined)
  await once(socket, "connect")
  return socket
}

/** Takes connections as the guest would, and does with them what `serve` does. */
async function bareGuest(serve: (socket: Socket) => void): Promise<void> {
  const bare = createTcpServer((socket) => {
    socket.on("error", () => undefined)
    serve(socket)
  })
  await new Promise<void>((resolve) => bare.listen(0, "127.0.0.1", resolve))
  bare.unref()
  server.sandboxes.onConnect = () => connected(bare)
}

const host = "8080-box.localhost:4000"

async function ask(
  headers: Record<string, string>,
  { body, ...options }: RequestOptions & { body?: string } = {},
): Promise<{ status: number | undefined; headers: IncomingMessage["headers"]; body: string }> {
  const outgoing = request({
    ...options,
    host: "127.0.0.1",
    port: http.port,
    headers: { host, ...headers },
    agent: false,
  })
  outgoing.end(body)
  const [answer] = (await once(outgoing, "response")) as [IncomingMessage]
  return { status: answer.statusCode, headers: answer.headers, body: await text(answer) }
}

const key = () => ({ "x-api-key": server.keys.user })

async function token(port = 8080): Promise<string> {
  await Promise.resolve()
  return server.portAccess.link(server.userId, "box", port, 60).token
}

describe("who is let in", () => {
  it("is the owner, by key, which the guest does not see", async () => {
    expect(await ask(key())).toMatchObject({ status: 200, body: "from the guest" })
    expect(asked[0]?.headers).toMatchObject({ host, "x-forwarded-host": host, "x-forwarded-proto": "http" })
    expect(asked[0]?.headers).not.toHaveProperty("x-api-key")
  })

  it("is nobody else with a key", async () => {
    expect((await ask({ "x-api-key": server.keys.other })).status).toBe(404)
    expect((await ask({ "x-api-key": "ws_wrong" })).status).toBe(401)
    expect(asked).toEqual([])
  })

  it("is nobody without one, who does not learn either whether there is such a sandbox", async () => {
    const refused = await ask({})
    expect(refused).toMatchObject({ status: 401, headers: { "cache-control": "no-store" } })
    expect(await ask({ host: "8080-nobody.localhost" })).toMatchObject({ status: 401, body: refused.body })
  })

  it("is everybody where the port is public, until it is no longer", async () => {
    await server.portAccess.setPublic(server.userId, "box", 8080, true)
    await server.portAccess.setPublic(server.userId, "box", 8080, true)
    expect(await server.portAccess.list(server.userId, "box")).toEqual([{ port: 8080, public: true }])
    expect((await ask({})).status).toBe(200)
    expect((await ask({ host: "8081-box.localhost" })).status).toBe(401)
    await server.portAccess.setPublic(server.userId, "box", 8080, false)
    expect((await ask({})).status).toBe(401)
  })

  it("is a program with a link, at once", async () => {
    const path = `/page?a=1&opensandbox_token=${await token()}&b=2`
    expect((await ask({}, { path })).status).toBe(200)
    expect(asked[0]?.url).toBe("/page?a=1&b=2")
    expect((await ask({ host: "8081-box.localhost" }, { path })).status).toBe(401)
    expect((await ask({}, { path: "/page?opensandbox_token=1.x" })).status).toBe(401)
  })

  it("is a browser with a link, which then carries a cookie that the guest does not see", async () => {
    const path = `//evil.example?opensandbox_token=${await token()}`
    const first = await ask({ accept: "text/html,*/*" }, { path })
    expect(first).toMatchObject({ status: 302, headers: { location: "/evil.example" } })
    const [cookie = ""] = first.headers["set-cookie"] ?? []
    expect(cookie).toMatch(/^opensandbox_token=\S+; Path=\/; Max-Age=6[01]; HttpOnly; SameSite=Lax$/)
    const own = cookie.split(";", 1)[0] ?? ""

    expect((await ask({ cookie: `a=1; ${own}; b=2` })).status).toBe(200)
    expect(asked[0]?.headers.cookie).toBe("a=1; b=2")
    expect((await ask({ cookie: `opensandbox_token=planted; ${own}` })).status).toBe(200)
    expect(asked[1]?.headers).not.toHaveProperty("cookie")
    expect((await ask({ cookie: own, host: "8081-box.localhost" })).status).toBe(401)
  })

  it("is no page of another sandbox that makes a browser ask", async () => {
    const cookie = `opensandbox_token=${await token()}`
    const foreign = [
      { origin: "http://8080-evil.localhost:4000" },
      { origin: "null" },
      { "sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors" },
    ]
    for (const headers of foreign) expect((await ask({ cookie, ...headers })).status).toBe(401)
    const own = [
      { origin: `http://${host}`, "sec-fetch-site": "same-origin" },
      { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" },
    ]
    for (const headers of own) expect((await ask({ cookie, ...headers })).status).toBe(200)
  })

  it("is nobody by the same key at the API's host, and no page may read the API's answers", async () => {
    const answer = await ask({ host: "localhost:4000", origin: `http://${host}` }, { path: "/vms" })
    expect(answer.status).toBe(401)
    expect(Object.keys(answer.headers).filter((name) => name.startsWith("access-control"))).toEqual([])
  })
})

describe("what is forwarded", () => {
  it("is a body, with its length or in chunks", async () => {
    const bodies: string[] = []
    guest.removeAllListeners("request").on("request", (incoming, response) => {
      void text(incoming).then((body) => {
        bodies.push(`${incoming.method ?? ""} ${body}`)
        response.end()
      })
    })
    await ask({ ...key(), "content-length": "5" }, { method: "POST", body: "hello" })
    await ask({ ...key(), "transfer-encoding": "chunked" }, { method: "DELETE", body: "hello" })
    await ask({ ...key() }, { method: "POST" })
    expect(bodies).toEqual(["POST hello", "DELETE hello", "POST "])
  })

  it("is no header that is about the connection", async () => {
    await ask({ ...key(), connection: "x-secret, close", "x-secret": "1", te: "trailers", "x-kept": "2" })
    expect(asked[0]?.headers).toMatchObject({ connection: "close", "x-kept": "2" })
    expect(asked[0]?.headers).not.toHaveProperty("x-secret")
    expect(asked[0]?.headers).not.toHaveProperty("te")
  })

  it("is an answer with its status and headers, whose cookies stay with its host", async () => {
    guest.removeAllListeners("request").on("request", (_, response) => {
      response.writeHead(418, "Teapot", [
        "set-cookie",
        "a=1; Domain=localhost; Path=/",
        "set-cookie",
        "b=2",
        "x-y",
        "z",
      ])
      response.end("short")
    })
    const answer = await ask(key())
    expect(answer).toMatchObject({ status: 418, body: "short", headers: { "x-y": "z" } })
    expect(answer.headers["set-cookie"]).toEqual(["a=1; Path=/", "b=2"])
  })

  it("is an upgraded connection, both ways", async () => {
    guest.on("upgrade", (incoming, socket) => {
      expect(incoming.headers).toMatchObject({ connection: "upgrade", upgrade: "echo" })
      socket.write(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\nx-y: z\r\n\r\n",
      )
      socket.pipe(socket)
    })
    const outgoing = request({
      host: "127.0.0.1",
      port: http.port,
      headers: { host, ...key(), connection: "Upgrade", upgrade: "echo" },
    })
    outgoing.end()
    const [answer, socket] = (await once(outgoing, "upgrade")) as [IncomingMessage, Socket]
    expect(answer.headers).toMatchObject({ upgrade: "echo", "x-y": "z" })
    socket.write("hello")
    expect(String(((await once(socket, "data")) as [Buffer])[0])).toBe("hello")
    const closed = once(socket, "close")
    socket.end()
    await closed
  })

  it("is what the guest answers in the place of an upgrade", async () => {
    guest.on("upgrade", (_, socket) => {
      socket.end("HTTP/1.1 403 No\r\ncontent-length: 2\r\n\r\nno")
    })
    const answer = await ask({ ...key(), connection: "Upgrade", upgrade: "echo" })
    expect(answer).toMatchObject({ status: 403, body: "no" })
    expect((await ask({ connection: "Upgrade", upgrade: "echo" })).status).toBe(401)
  })
})

describe("a guest's server that is no good", () => {
  it.each([
    ["speaks no HTTP", (socket: Socket) => socket.end("SSH-2.0-x\r\n")],
    ["hangs up", (socket: Socket) => socket.destroy()],
    ["has a status that is none", (socket: Socket) => socket.end("HTTP/1.1 001 x\r\n\r\n")],
    [
      "says its length twice",
      (s: Socket) => s.end("HTTP/1.1 200 x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx"),
    ],
    ["has endless headers", (socket: Socket) => socket.write(`HTTP/1.1 200 x\r\na: ${"x".repeat(100_000)}`)],
  ])("gets its own requests a 502 when it %s", async (_, serve) => {
    await bareGuest((socket) => {
      socket.once("data", () => serve(socket))
    })
    expect(await ask(key())).toMatchObject({
      status: 502,
      headers: { "content-type": "text/plain; charset=utf-8" },
    })
  })

  it("breaks its answer off where it is shorter than it said", async () => {
    await bareGuest((socket) => {
      socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello"))
    })
    await expect(ask(key())).rejects.toThrow("aborted")
  })

  it("cannot add to an answer that is over", async () => {
    await bareGuest((socket) => {
      socket.once("data", () =>
        socket.end("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 more\r\n\r\n"),
      )
    })
    expect(await ask(key())).toMatchObject({ status: 200, body: "ok" })
  })

  it("is let go of when the client is gone", async () => {
    const gone = new Promise<void>((resolve) => {
      void bareGuest((socket) => {
        socket.resume()
        socket.once("close", () => {
          resolve()
        })
      })
    })
    const outgoing = request({ host: "127.0.0.1", port: http.port, headers: { host, ...key() } })
    outgoing.on("error", () => undefined)
    outgoing.end()
    await new Promise((resolve) => outgoing.once("finish", resolve))
    outgoing.destroy()
    await gone
  })
})

it("says what to do where nothing listens", async () => {
  const text = "Nothing takes connections there."
  server.sandboxes.onConnect = () => Promise.reject(new Failure("unavailable", text))
  expect(await ask(key())).toMatchObject({ status: 502, body: `${text}\n` })
})

it("says the same when that becomes known only after the request was sent on", async () => {
  const failure = new Failure("unavailable", "Nothing takes connections there.")
  server.sandboxes.dial = () => {
    const socket = new PassThrough().on("error", () => undefined)
    const refused = once(socket, "data").then(() => {
      socket.destroy(new Error("refused"))
      throw failure
    })
    refused.catch(() => undefined)
    return Promise.resolve({ socket, connected: refused })
  }
  expect(await ask(key())).toMatchObject({ status: 502, body: `${failure.message}\n` })
  const upgrade = { connection: "Upgrade", upgrade: "echo" }
  expect(await ask({ ...key(), ...upgrade })).toMatchObject({ status: 502, body: `${failure.message}\n` })
})

it("takes no target but a path", async () => {
  expect((await ask(key(), { path: "http://8081-box.localhost/" })).status).toBe(400)
})
