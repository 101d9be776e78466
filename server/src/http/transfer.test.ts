import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { received, sent } from "./transfer.js"

const minute = 60_000

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })
})
afterEach(() => {
  vi.useRealTimers()
})

/** A stream that a test feeds by hand. */
function pipe() {
  let cancelled: unknown
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined
  const stream = new ReadableStream<Uint8Array>({
    start: (given) => void (controller = given),
    cancel: (reason) => void (cancelled = reason),
  })
  return {
    stream,
    send: (text: string) => controller?.enqueue(Buffer.from(text)),
    close: () => controller?.close(),
    fail: (error: Error) => controller?.error(error),
    cancelled: () => cancelled,
  }
}

async function next(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<string | undefined> {
  const { value } = await reader.read()
  return value && Buffer.from(value).toString()
}

describe("a body that is received", () => {
  it("is what the client sends, however long it takes in all", async () => {
    const { stream, send, close } = pipe()
    const reader = received(stream).getReader()
    for (const part of ["a", "b", "c"]) {
      const read = next(reader)
      await vi.advanceTimersByTimeAsync(minute - 1)
      send(part)
      expect(await read).toBe(part)
    }
    close()
    expect(await next(reader)).toBeUndefined()
  })

  it("fails when nothing comes for a minute", async () => {
    const reader = received(pipe().stream).getReader()
    const read = expect(reader.read()).rejects.toMatchObject({ name: "Failure", code: "timeout" })
    await vi.advanceTimersByTimeAsync(minute)
    await read
  })

  it("may be taken as slowly as it is used", async () => {
    const { stream, send } = pipe()
    const reader = received(stream).getReader()
    send("a")
    expect(await next(reader)).toBe("a")
    await vi.advanceTimersByTimeAsync(10 * minute)
    send("b")
    expect(await next(reader)).toBe("b")
  })

  it("fails when the client goes away", async () => {
    const { stream, fail } = pipe()
    fail(new Error("aborted"))
    await expect(received(stream).getReader().read()).rejects.toMatchObject({
      code: "invalid_request",
      details: { field: "body" },
    })
  })

  it("passes on that nobody wants the rest", async () => {
    const { stream, cancelled } = pipe()
    await received(stream).cancel("enough")
    expect(cancelled()).toBe("enough")
  })
})

describe("a body that is sent", () => {
  it("is what its maker gives, however long that takes", async () => {
    const { stream, send, close } = pipe()
    const onFailure = vi.fn()
    const reader = sent(stream, onFailure).getReader()
    for (const part of ["a", "b"]) {
      const read = next(reader)
      await vi.advanceTimersByTimeAsync(10 * minute)
      send(part)
      expect(await read).toBe(part)
      await vi.advanceTimersByTimeAsync(minute - 1)
    }
    close()
    expect(await next(reader)).toBeUndefined()
    await vi.advanceTimersByTimeAsync(minute)
    expect(onFailure).not.toHaveBeenCalled()
  })

  it.each([0, 1])("is given up when the client takes nothing for a minute after %d parts", async (parts) => {
    const { stream, send, cancelled } = pipe()
    const onFailure = vi.fn()
    const reader = sent(stream, onFailure).getReader()
    for (let part = 0; part < parts; part++) {
      send("a")
      await reader.read()
    }
    await vi.advanceTimersByTimeAsync(minute)
    expect(cancelled()).toMatchObject({ code: "timeout" })
    expect(onFailure).toHaveBeenCalledExactlyOnceWith(cancelled())
    await expect(reader.read()).rejects.toMatchObject({ code: "timeout" })
  })

  it("fails as its maker does", async () => {
    const { stream, fail } = pipe()
    const onFailure = vi.fn()
    const reader = sent(stream, onFailure).getReader()
    const error = new Error("a layer is gone")
    fail(error)
    await expect(reader.read()).rejects.toBe(error)
    await vi.advanceTimersByTimeAsync(minute)
    expect(onFailure).toHaveBeenCalledExactlyOnceWith(error)
  })

  it("tells its maker that the client went away, whatever it waits for", async () => {
    const { stream, cancelled } = pipe()
    const onFailure = vi.fn()
    const reader = sent(stream, onFailure).getReader()
    const read = reader.read()
    await reader.cancel("gone")
    expect(await read).toMatchObject({ done: true })
    expect(cancelled()).toBe("gone")
    await vi.advanceTimersByTimeAsync(minute)
    expect(onFailure).not.toHaveBeenCalled()
  })
})
