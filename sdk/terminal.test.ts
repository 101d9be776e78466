import { describe, expect, test, vi } from "vitest"
import { Terminal } from "./terminal.js"
import type { WebSocketLike } from "./web-socket.js"

/** A WebSocket without a server. */
class FakeSocket implements WebSocketLike {
  binaryType = "blob"
  readonly sent: (string | Uint8Array)[] = []
  isClosed = false
  readonly #listeners: Record<string, (event: unknown) => void> = {}

  send(data: string | Uint8Array): void {
    this.sent.push(data)
  }

  close(): void {
    this.isClosed = true
  }

  addEventListener(type: string, listener: (event: unknown) => void): void {
    this.#listeners[type] = listener
  }

  emit(type: "message" | "close" | "error", event: unknown = {}): void {
    this.#listeners[type]?.(event)
  }

  says(message: object): void {
    this.emit("message", { data: JSON.stringify(message) })
  }

  prints(text: string): void {
    this.emit("message", { data: new TextEncoder().encode(text).buffer })
  }
}

async function opened(): Promise<{ socket: FakeSocket; terminal: Terminal }> {
  const socket = new FakeSocket()
  const opening = Terminal.open(socket)
  socket.says({ type: "opened" })
  const result = await opening
  if (!result.success) throw new Error(result.error)
  return { socket, terminal: result.terminal }
}

const exit = { type: "exit", exitCode: 0, signal: null, snapshot: "cmd_1" }

describe("opening", () => {
  test("fails with what the server says", async () => {
    const socket = new FakeSocket()
    const opening = Terminal.open(socket)
    socket.says({ type: "failure", error: "No room.", code: "limit_reached" })
    expect(await opening).toEqual({ success: false, error: "No room.", code: "limit_reached" })
  })

  test("fails when the connection does", async () => {
    const socket = new FakeSocket()
    const opening = Terminal.open(socket)
    socket.emit("error")
    socket.emit("close")
    expect(await opening).toMatchObject({ success: false, code: "unavailable" })
  })

  test("gives up after two minutes", async () => {
    vi.useFakeTimers()
    const socket = new FakeSocket()
    const opening = Terminal.open(socket)
    vi.advanceTimersByTime(120_000)
    vi.useRealTimers()
    expect(await opening).toMatchObject({ success: false, code: "timeout" })
    expect(socket.isClosed).toBe(true)
  })
})

describe("the output", () => {
  test("is kept until somebody reads it, and ends with the shell", async () => {
    const { socket, terminal } = await opened()
    socket.prints("one ")
    socket.prints("two")
    socket.says(exit)
    let text = ""
    for await (const chunk of terminal) text += new TextDecoder().decode(chunk)
    expect(text).toBe("one two")
    expect(await terminal.wait()).toEqual({ success: true, exitCode: 0, signal: null, snapshot: "cmd_1" })
  })

  test("reaches listeners as it comes, until they have enough", async () => {
    const { socket, terminal } = await opened()
    socket.prints("before ")
    const seen: string[] = []
    const stop = terminal.onData((chunk) => seen.push(new TextDecoder().decode(chunk)))
    await Promise.resolve()
    socket.prints("now")
    stop()
    socket.prints("later")
    expect(seen).toEqual(["before ", "now"])
  })

  test("stays in its order where a listener comes to what was kept", async () => {
    const { socket, terminal } = await opened()
    socket.prints("one ")
    const seen: string[] = []
    terminal.onData((chunk) => seen.push(new TextDecoder().decode(chunk)))
    socket.prints("two")
    await Promise.resolve()
    expect(seen).toEqual(["one ", "two"])
  })

  test("ends for a listener that has enough, also of what was kept, and the next one gets the rest", async () => {
    const { socket, terminal } = await opened()
    for (const text of ["one ", "two ", "three"]) socket.prints(text)
    socket.says(exit)
    const first = await new Promise<string>((resolve) => {
      const stop = terminal.onData((chunk) => {
        stop()
        resolve(new TextDecoder().decode(chunk))
      })
    })
    expect(first).toBe("one ")
    let rest = ""
    for await (const chunk of terminal) rest += new TextDecoder().decode(chunk)
    expect(rest).toBe("two three")
  })

  test("of which nobody reads anything takes 8 MiB at most", async () => {
    const { socket, terminal } = await opened()
    for (let sent = 0; sent < 12; sent++) socket.prints(String(sent % 10).repeat(1024 * 1024))
    socket.says(exit)
    const kept: string[] = []
    for await (const chunk of terminal) kept.push(new TextDecoder().decode(chunk).slice(0, 1))
    expect(kept).toEqual(["4", "5", "6", "7", "8", "9", "0", "1"])
  })
})

describe("what is typed", () => {
  test("goes out as bytes, in pieces that the server takes", async () => {
    const { socket, terminal } = await opened()
    terminal.write("ä\n")
    terminal.write(new Uint8Array(600_000))
    expect(socket.sent.map((piece) => piece.length)).toEqual([3, 262_144, 262_144, 75_712])
  })

  test("and a new size are told apart; both go nowhere once it is over", async () => {
    const { socket, terminal } = await opened()
    terminal.resize(120, 40)
    socket.says(exit)
    terminal.resize(1, 1)
    terminal.write("x")
    expect(socket.sent).toEqual(['{"type":"resize","cols":120,"rows":40}'])
  })
})

test("closing waits for the connection's end, and the wait ends as interrupted", async () => {
  const { socket, terminal } = await opened()
  const closing = terminal.close()
  expect(socket.isClosed).toBe(true)
  socket.emit("close")
  await closing
  expect(await terminal.wait()).toMatchObject({ success: false, code: "interrupted" })
})

test("a connection that breaks off ends the wait as unavailable", async () => {
  const { socket, terminal } = await opened()
  socket.emit("close")
  expect(await terminal.wait()).toMatchObject({ success: false, code: "unavailable" })
})

test("what a server says that is not known is ignored", async () => {
  const { socket, terminal } = await opened()
  socket.emit("message", { data: "no JSON" })
  socket.says({ type: "news" })
  socket.says(exit)
  expect(await terminal.wait()).toMatchObject({ success: true })
})
