import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { poll } from "../deadline.js"
import { connectedAgent, type ConnectedAgent } from "../testing/connected-agent.js"
import { fileState as state, patience, type FakeAgent } from "../testing/fake-agent.js"
import { type AgentConnection, AgentGoneError } from "./connection.js"
import { encodeCredit, encodeFrame, limits } from "./frame.js"
import { creditStep } from "./output-channel.js"
import { sendContent } from "./send-content.js"

let agent: FakeAgent
let connection: AgentConnection
let fake: ConnectedAgent

beforeEach(async () => {
  fake = await connectedAgent()
  ;({ agent, connection } = fake)
})

afterEach(() => fake.close())

const event = (message: object) => {
  agent.send(encodeFrame("EVENT", 1, Buffer.from(JSON.stringify(message))))
}

const output = (bytes: Uint8Array | string) => {
  agent.send(encodeFrame("STDOUT", 1, Buffer.from(bytes)))
}

const answer = (message: object) => {
  agent.json("RESPONSE", 1, { ok: true, ...message })
}

const refuse = (code: string) => {
  agent.json("RESPONSE", 1, { ok: false, code, message: "no" })
}

describe("a look at files", () => {
  it("gives a file's state", async () => {
    const asked = connection.files.stat("file", patience)
    expect(await agent.request()).toEqual({ op: "stat", path: "file" })
    answer({ state })
    expect(await asked).toEqual(state)
  })

  it("lists a directory", async () => {
    const asked = connection.files.list("src", { depth: 3, limit: 10 }, patience)
    expect(await agent.request()).toEqual({ op: "list", path: "src", depth: 3, limit: 10 })
    output(`${JSON.stringify({ path: "a", state })}\n${JSON.stringify({ path: "a/b", state })}\n`)
    answer({ truncated: true })
    expect(await asked).toEqual({
      entries: [
        { path: "a", state },
        { path: "a/b", state },
      ],
      truncated: true,
    })
  })

  it.each<[string, () => void]>([
    ["more entries than were asked for", () => output(`${JSON.stringify({ path: "a", state })}\n`.repeat(3))],
    ["an entry without a path", () => output(`${JSON.stringify({ path: "", state })}\n`)],
    [
      "a type that is none",
      () => output(`${JSON.stringify({ path: "a", state: { ...state, type: "x" } })}\n`),
    ],
    ["an event", () => event({ size: 1 })],
    ["an answer to something else", () => answer({ state })],
  ])("hangs up on a guest that lists %s", async (_, misbehave) => {
    const asked = expect(connection.files.list(".", { depth: 1, limit: 2 }, patience)).rejects.toThrow(
      AgentGoneError,
    )
    await agent.request()
    misbehave()
    await asked
  })
})

describe("a file that is read", () => {
  async function open(range = { offset: 0 }) {
    const asked = connection.files.read("file", range, patience)
    await agent.request()
    event({ size: 9 })
    return asked
  }

  it("is there as soon as it is open, and comes as it is", async () => {
    const asked = connection.files.read("file", { offset: 5, length: 100 }, patience)
    expect(await agent.request()).toEqual({ op: "readFile", path: "file", offset: 5, length: 100 })
    event({ size: 123 })
    const { size, content, over } = await asked
    expect(size).toBe(123)
    const text = new Response(content).text()
    output("one ")
    output("two")
    answer({ size: 7 })
    expect(await text).toBe("one two")
    await over
  })

  it("is held back in the guest while nobody reads it", async () => {
    const { content } = await open()
    for (let sent = 0; sent < limits.outputWindow; sent += 16_384) output(Buffer.alloc(16_384))
    const reader = content.getReader()
    await reader.read()
    expect(agent.received.filter(({ type }) => type === "CREDIT")).toEqual([])
    for (let taken = 0; taken <= creditStep;) taken += (await reader.read()).value?.length ?? 0
    await reader.read()
    await agent.frame("CREDIT")
    await reader.cancel()
    await agent.frame("CANCEL")
  })

  it("fails with the guest's code when it cannot be opened", async () => {
    const asked = expect(connection.files.read("none", { offset: 0 }, patience)).rejects.toMatchObject({
      code: "not_found",
    })
    await agent.request()
    refuse("not_found")
    await asked
  })

  it.each<[string, () => void, object]>([
    ["a part of it is lost", () => answer({ size: 99 }), { code: "io" }],
    ["the disk fails", () => refuse("io"), { code: "io" }],
    ["the machine ends", () => agent.socket?.destroy(), { name: "AgentGoneError" }],
  ])("breaks off when %s", async (_, happens, error) => {
    const { content, over } = await open()
    output("a part")
    const failed = expect(new Response(content).text()).rejects.toMatchObject(error)
    happens()
    await failed
    await over
  })

  it("breaks off when there is more than was asked for", async () => {
    const { content } = await open({ offset: 0, length: 3 } as { offset: number })
    const failed = expect(new Response(content).text()).rejects.toThrow("more of a file than was asked for")
    output("four")
    await failed
    await agent.frame("CANCEL")
  })

  it.each<[string, () => void]>([
    ["an opening that is none", () => event({ size: -1 })],
    ["output on another channel", () => agent.send(encodeFrame("STDERR", 1, Buffer.from("x")))],
    [
      "credit for what nobody sent",
      () => agent.send(encodeFrame("CREDIT", 1, encodeCredit({ channel: "stdin", bytes: 1 }))),
    ],
  ])("hangs up on a guest that sends %s", async (_, misbehave) => {
    const asked = expect(connection.files.read("file", { offset: 0 }, patience)).rejects.toThrow(
      AgentGoneError,
    )
    await agent.request()
    misbehave()
    await asked
  })

  it("is given up when the guest does not open it in time", async () => {
    await expect(connection.files.read("file", { offset: 0 }, 20)).rejects.toMatchObject({
      name: "DeadlineError",
    })
    await agent.frame("CANCEL")
  })
})

describe("a file that is written", () => {
  const change = { op: "writeFile", path: "file", append: false, sync: true } as const

  const received = () =>
    Buffer.concat(agent.received.filter(({ type }) => type === "STDIN").map(({ payload }) => payload))

  it("is sent as far as the guest takes it, then ended", async () => {
    const stream = connection.files.change({ ...change, mode: 0o600, owner: "root" })
    expect(await agent.request()).toEqual({ ...change, mode: 0o600, owner: "root" })
    const content = Buffer.alloc(limits.inputWindow + 5, "x")
    const sending = sendContent(stream, new Blob([content]).stream(), patience)
    await poll(patience, "the window", () => (received().length === limits.inputWindow ? true : undefined))
    agent.send(encodeFrame("CREDIT", 1, encodeCredit({ channel: "stdin", bytes: limits.inputWindow })))
    await sending
    await agent.frame("STDIN_EOF")
    expect(received().equals(content)).toBe(true)
    answer({ syncUs: 5, wrote: true })
    expect(await stream.done).toEqual({ ok: true, syncUs: 5, wrote: true })
  })

  it("has no end when its content breaks off", async () => {
    const stream = connection.files.change(change)
    const content = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        controller.error(new Error("the client is gone"))
      },
    })
    await expect(sendContent(stream, content, patience)).rejects.toThrow("the client is gone")
    stream.cancel()
    await agent.frame("CANCEL")
    expect(agent.received.map(({ type }) => type)).not.toContain("STDIN_EOF")
  })

  it("is not sent any further once the guest has refused it", async () => {
    const stream = connection.files.change(change)
    await agent.request()
    let cancelled = false
    const content = new ReadableStream<Uint8Array>({ cancel: () => void (cancelled = true) })
    const sending = sendContent(stream, content, patience)
    refuse("not_a_file")
    await sending
    expect(cancelled).toBe(true)
    await expect(stream.done).rejects.toMatchObject({ code: "not_a_file" })
  })

  it("is given up when the guest takes nothing", async () => {
    const stream = connection.files.change(change)
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        controller.enqueue(new Uint8Array(65_536))
      },
    })
    await expect(sendContent(stream, endless, 20)).rejects.toMatchObject({ name: "DeadlineError" })
    expect(received().length).toBe(limits.inputWindow)
  })
})
