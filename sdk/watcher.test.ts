import { expect, test } from "vitest"
import { Watcher, type WatchEvent } from "./watcher.js"

/** An answer that a test feeds by hand. */
function answer() {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined
  let cancel: () => void = () => undefined
  const cancelled = new Promise<void>((resolve) => (cancel = resolve))
  const body = new ReadableStream<Uint8Array>({
    start: (given) => {
      controller = given
    },
    cancel,
  })
  return {
    body,
    cancelled,
    send: (name: string, data: unknown = {}) =>
      controller?.enqueue(new TextEncoder().encode(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`)),
    close: () => controller?.close(),
    fail: (error: Error) => controller?.error(error),
  }
}

async function opened(): Promise<ReturnType<typeof answer> & { watcher: Watcher }> {
  const source = answer()
  source.send("watching")
  const watcher = await Watcher.open(source.body)
  if (!(watcher instanceof Watcher)) throw new Error(watcher.error)
  return { ...source, watcher }
}

async function all(watcher: Watcher): Promise<WatchEvent[]> {
  const events: WatchEvent[] = []
  for await (const event of watcher) events.push(event)
  return events
}

const created = { type: "create", path: "/workspace/a" } as const
const renamed = { type: "rename", path: "/workspace/a", to: "/workspace/b" } as const

test("events come in their order, until the directory is gone", async () => {
  const { watcher, send } = await opened()
  send("create", created)
  send("rename", renamed)
  const events = all(watcher)
  send("end")
  expect(await events).toEqual([created, renamed])
  expect(watcher.failure).toBeUndefined()
})

test("whoever leaves the loop closes the watch", async () => {
  const { watcher, send, cancelled } = await opened()
  send("create", created)
  for await (const event of watcher) {
    expect(event).toEqual(created)
    break
  }
  await cancelled
  expect(watcher.failure).toBeUndefined()
})

test("a close ends a loop that waits", async () => {
  const { watcher, cancelled } = await opened()
  const events = all(watcher)
  watcher.close()
  expect(await events).toEqual([])
  await cancelled
})

test("a watch that is declared with await using is closed", async () => {
  const { watcher, cancelled } = await opened()
  {
    await using declared = watcher
    expect(declared.failure).toBeUndefined()
  }
  await cancelled
})

test("what nobody takes is bounded, and the overflow is told in its place", async () => {
  const { watcher, send, cancelled } = await opened()
  for (let number = 0; number < 10_500; number++) send("create", { type: "create", path: `/${number}` })
  send("end")
  await cancelled
  const taken = await all(watcher)
  expect(taken).toHaveLength(10_001)
  expect(taken[9_999]).toEqual({ type: "create", path: "/9999" })
  expect(taken[10_000]).toEqual({ type: "overflow" })
})

test("a failure of the watch ends it, and says why", async () => {
  const { watcher, send, close } = await opened()
  send("error", { error: "The sandbox was restored.", code: "interrupted" })
  close()
  expect(await all(watcher)).toEqual([])
  expect(watcher.failure).toEqual({ success: false, error: "The sandbox was restored.", code: "interrupted" })
})

test("a connection that is lost ends it, and says why", async () => {
  const { watcher, send, fail } = await opened()
  send("create", created)
  const events = watcher[Symbol.asyncIterator]()
  expect((await events.next()).value).toEqual(created)
  fail(new Error("ECONNRESET"))
  expect(await events.next()).toEqual({ done: true, value: undefined })
  expect(watcher.failure).toMatchObject({
    code: "unavailable",
    error: expect.stringContaining("ECONNRESET") as string,
  })
})

test.each([
  ["an error", "error", { error: "There is no such directory", code: "not_found" }, "not_found"],
  ["something else", "hello", {}, "internal"],
  ["a code of a later version", "error", { error: "no", code: "later" }, "internal"],
])("an answer that begins with %s is no watch", async (_, name, data, code) => {
  const source = answer()
  source.send(name, data)
  expect(await Watcher.open(source.body)).toMatchObject({ success: false, code })
  await source.cancelled
})

test("an answer that ends before it begins is no watch", async () => {
  const source = answer()
  source.close()
  expect(await Watcher.open(source.body)).toMatchObject({ success: false, code: "unavailable" })
})
