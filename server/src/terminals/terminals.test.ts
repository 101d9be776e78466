import { once } from "node:events"
import type { IncomingMessage } from "node:http"
import { connect } from "node:net"
import { text } from "node:stream/consumers"
import { Client, type Sandbox, type Terminal, type TerminalOptions } from "opensandbox"
import { pino } from "pino"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { WebSocket } from "ws"
import { Failure } from "../failure.js"
import { HttpServer } from "../http/http-server.js"
import { apiUpgrade } from "../http/upgrade.js"
import type { FakeSession } from "../testing/fake-session.js"
import { createTestServer, type TestServer } from "../testing/test-server.js"

let server: TestServer
let http: HttpServer
let box: Sandbox

beforeEach(async () => {
  server = await createTestServer()
  http = await listen()
  await server.sandboxes.create(server.userId, { name: "box" })
  box = client().sandbox("box")
})
afterEach(async () => {
  vi.useRealTimers()
  await http.close()
  await server.close()
})

function listen(onlySandbox?: string): Promise<HttpServer> {
  const log = pino({ level: "silent" })
  return HttpServer.listen(
    {
      fetch: (request) => server.app.fetch(request, {}),
      upgrade: apiUpgrade({ terminals: server.terminals, log }, onlySandbox),
    },
    { host: "127.0.0.1", port: 0 },
  )
}

const client = () => new Client(server.keys.user, `http://127.0.0.1:${http.port}`, { WebSocket })

async function opened(options: TerminalOptions = {}): Promise<Terminal> {
  const result = await box.terminal(options)
  if (!result.success) throw new Error(result.error)
  return result.terminal
}

function session(): FakeSession {
  const last = server.sandboxes.sessions.at(-1)
  if (last === undefined) throw new Error("no session was opened")
  return last
}

async function ticket(command = "wait"): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${http.port}/vms/box/terminal`, {
    method: "POST",
    headers: { "x-api-key": server.keys.user, connection: "close" },
    body: JSON.stringify({ command }),
  })
  return ((await response.json()) as { ticket: string }).ticket
}

const url = (ticket: string, name = "box") =>
  `ws://127.0.0.1:${http.port}/vms/${name}/terminal?ticket=${ticket}`

/** A client that knows the wire only. */
async function rawTerminal(): Promise<WebSocket> {
  const socket = new WebSocket(url(await ticket()))
  await once(socket, "message")
  return socket
}

describe("a terminal", () => {
  it("carries bytes both ways, follows the window, and ends as its shell does", async () => {
    const terminal = await opened({ cols: 100, rows: 40, env: { A: "b" } })
    terminal.resize(120, 50)
    terminal.write("exit\r")
    let output = ""
    for await (const chunk of terminal) output += Buffer.from(chunk).toString()

    expect(output).toBe("size 120x50\r\nexit\r")
    expect(await terminal.wait()).toEqual({ success: true, exitCode: 3, signal: null, snapshot: "cmd_2" })
    expect(session().request).toEqual({
      pty: { cols: 100, rows: 40, term: "xterm-256color" },
      env: { A: "b" },
    })
    expect(session().cancelled).toBe(false)
  })

  it("runs a command in the place of a shell, and tells the signal that ended it", async () => {
    const terminal = await opened({ command: "killed" })

    expect(await terminal.wait()).toMatchObject({ success: true, exitCode: null, signal: "KILL" })
    expect(session().request).toMatchObject({
      command: "killed",
      pty: { cols: 80, rows: 24, term: "xterm-256color" },
    })
  })

  it("talks to the shell of the caller's choice, whatever its name", async () => {
    await opened({ shell: "/opt/it's" })
    expect(session().request).toMatchObject({
      command: String.raw`exec '/opt/it'\''s'`,
      recordAs: "/opt/it's",
    })
    await opened({ shell: "sh", command: "echo 'hi'" })
    expect(session().request).toMatchObject({
      command: String.raw`exec 'sh' -c 'echo '\''hi'\'''`,
      recordAs: "echo 'hi'",
    })
  })

  it("takes what is pasted, to the last byte", async () => {
    const terminal = await opened({ command: "cat" })
    const pasted = Buffer.from("0123456789abcdef".repeat(100_000))
    let received = 0
    const all = new Promise<void>((resolve) => {
      terminal.onData((chunk) => {
        received += chunk.length
        if (received === pasted.length) resolve()
      })
    })
    terminal.write(pasted)
    await all
    await terminal.close()
  })

  it("is cancelled when its client closes it", async () => {
    const terminal = await opened({ command: "wait" })
    await terminal.close()

    expect(await terminal.wait()).toMatchObject({ success: false, code: "interrupted" })
    await vi.waitFor(() => {
      expect(session().cancelled).toBe(true)
    })
  })

  it("is cancelled when its client vanishes, even with input that nobody takes", async () => {
    const socket = await rawTerminal()
    socket.send(Buffer.alloc(500_000))
    socket.terminate()

    await vi.waitFor(() => {
      expect(session().cancelled).toBe(true)
    })
  })

  it("tells why it was broken off", async () => {
    const terminal = await opened({ command: "wait" })
    session().breakOff(new Failure("interrupted", "A restore ended the command."))

    expect(await terminal.wait()).toEqual({
      success: false,
      code: "interrupted",
      error: "A restore ended the command.",
    })
  })

  it("that cannot be opened says why", async () => {
    expect(await box.terminal({ command: "refused" })).toEqual({
      success: false,
      code: "busy",
      error: "The sandbox is busy; try again.",
    })
    expect(await client().sandbox("none").terminal()).toMatchObject({ success: false, code: "not_found" })
    expect(await box.terminal({ cols: 0 })).toMatchObject({ code: "invalid_request", field: "cols" })
    const withoutWebSocket = new Client(server.keys.user, `http://127.0.0.1:${http.port}`, {
      WebSocket: undefined,
    })
    if (!("WebSocket" in globalThis)) {
      expect(await withoutWebSocket.sandbox("box").terminal()).toMatchObject({
        code: "unavailable",
        error: expect.stringContaining("{ WebSocket }") as string,
      })
    }
  })

  it("is cut when the server stops", async () => {
    const terminal = await opened({ command: "wait" })
    await http.close()

    expect(await terminal.wait()).toMatchObject({ success: false, code: "unavailable" })
    expect(session().cancelled).toBe(true)
  })
})

describe("a client that does not read", () => {
  it("holds back the output, and is cut off", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] })
    const request = [
      `GET /vms/box/terminal?ticket=${await ticket("flood")} HTTP/1.1`,
      "host: localhost",
      "connection: upgrade",
      "upgrade: websocket",
      "sec-websocket-version: 13",
      "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==",
    ]
    const socket = connect(http.port, "127.0.0.1")
    socket.write(`${request.join("\r\n")}\r\n\r\n`)
    await vi.waitFor(() => {
      expect(session().printed).toBeGreaterThan(0)
    })
    await vi.waitFor(
      () => {
        vi.advanceTimersByTime(30_000)
        expect(session().cancelled).toBe(true)
      },
      { timeout: 20_000, interval: 100 },
    )
    // What fits into the kernel's buffers is all that the server got rid of.
    expect(session().printed).toBeLessThan(32 * 1024 * 1024)
    socket.destroy()
  })
})

describe("a ticket", () => {
  it("opens one terminal", async () => {
    const used = await ticket()
    const first = new WebSocket(url(used))
    await once(first, "open")

    expect(await refusalOf(url(used))).toMatch(/^401 .*ask for one/s)
    first.terminate()
  })

  it.each([
    ["another sandbox", async () => url(await ticket(), "other"), 401],
    ["nothing that can be guessed", () => Promise.resolve(url("guess")), 401],
    ["no other path", () => Promise.resolve(`ws://127.0.0.1:${http.port}/vms/box/run`), 400],
  ])("opens %s", async (_, target, status) => {
    expect(await refusalOf(await target())).toMatch(new RegExp(`^${status} `))
  })

  it("of a key that was revoked since opens nothing", async () => {
    const issued = await ticket()
    await server.keyring.revoke(server.userId)

    expect(await refusalOf(url(issued))).toMatch(/^401 /)
  })

  it("opens nothing at the port of another sandbox", async () => {
    const issued = await ticket()
    const other = await listen("other")
    const path = `ws://127.0.0.1:${other.port}/vms/box/terminal?ticket=${issued}`

    expect(await refusalOf(path)).toMatch(/^400 /)
    await other.close()
  })

  it("needs a key to be had", async () => {
    const path = `http://127.0.0.1:${http.port}/vms/box/terminal`

    expect((await fetch(path, { method: "POST" })).status).toBe(401)
    const stranger = { "x-api-key": server.keys.other }
    expect((await fetch(path, { method: "POST", headers: stranger })).status).toBe(404)
  })

  async function refusalOf(target: string): Promise<string> {
    const socket = new WebSocket(target)
    const [, response] = (await once(socket, "unexpected-response")) as [unknown, IncomingMessage]
    const answer = `${response.statusCode ?? 0} ${await text(response)}`
    socket.on("error", () => undefined).terminate()
    return answer
  }
})

describe("a hostile client", () => {
  it.each([
    ["a text message that is no JSON", "resize!", 1003],
    ["a size that no terminal has", JSON.stringify({ type: "resize", cols: -1, rows: 5 }), 1003],
    ["a message that is too long", Buffer.alloc(1024 * 1024 + 1), 1009],
  ])("is hung up on for %s", async (_, message, code) => {
    const socket = await rawTerminal()
    socket.on("error", () => undefined)
    socket.send(message)

    const [closedWith] = (await once(socket, "close")) as [number]
    expect(closedWith).toBe(code)
    await vi.waitFor(() => {
      expect(session().cancelled).toBe(true)
    })
  })

  it("that asks for another protocol is told so", async () => {
    const socket = connect(http.port, "127.0.0.1")
    socket.write("GET /vms HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n")

    expect(await text(socket)).toMatch(/^HTTP\/1\.1 400 .*without the header Upgrade/s)
  })
})

it("500 connections that vanish leave nothing", async () => {
  const half = "GET /vms/box/terminal?ticket=x HTTP/1.1\r\nhost: localhost\r\nupgrade: webso"
  const whole = `${half}cket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n\r\n`
  const sockets = () => process.getActiveResourcesInfo().filter((kind) => kind === "TCPSocketWrap").length
  const before = sockets()
  const beginnings = ["", half, whole]
  for (let batch = 0; batch < 10; batch++) {
    await Promise.all(
      Array.from({ length: 50 }, async (_, number) => {
        const socket = connect(http.port, "127.0.0.1").on("error", () => undefined)
        await once(socket, "connect")
        await new Promise((resolve) => socket.write(beginnings[number % 3] ?? "", resolve))
        socket.destroy()
      }),
    )
  }
  const terminals = await Promise.all(Array.from({ length: 40 }, () => rawTerminal()))
  for (const terminal of terminals) terminal.terminate()

  await vi.waitFor(() => {
    expect(server.sandboxes.sessions.filter(({ cancelled }) => !cancelled)).toEqual([])
    expect(sockets()).toBeLessThanOrEqual(before)
  })
})
