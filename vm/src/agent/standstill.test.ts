import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { createServer, type Server } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, expect, test } from "vitest"
import { FakeAgent, patience } from "../testing/fake-agent.js"
import { AgentConnection } from "./connection.js"

/** One for each connection, in their order. */
let agents: FakeAgent[]
let directory: string
let server: Server

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "agent-"))
  agents = []
  server = createServer((socket) => {
    const agent = new FakeAgent()
    agents.push(agent)
    agent.attach(socket)
  }).listen(join(directory, "socket"))
  await once(server, "listening")
})

afterEach(async () => {
  for (const agent of agents) agent.socket?.destroy()
  server.close()
  await rm(directory, { recursive: true })
})

async function connected(): Promise<{ connection: AgentConnection; agent: FakeAgent }> {
  const connection = await AgentConnection.connect(join(directory, "socket"), { deadlineMs: patience })
  const agent = agents.at(-1)
  if (agent === undefined) throw new Error("nobody connected")
  return { connection, agent }
}

/** Has an agent answer its next ping. */
async function answerPing(agent: FakeAgent, index = 0): Promise<void> {
  const { stream } = await agent.frame("REQUEST", index)
  agent.json("RESPONSE", stream, { ok: true, uptimeMs: 1 })
}

test("sends and hears nothing while it is held, and loses nothing of it", async () => {
  const { connection, agent } = await connected()
  let pongs = 0
  const count = () => {
    pongs++
  }
  const first = connection.ping(patience).then(count)
  await agent.frame("REQUEST")
  connection.hold()
  connection.hold()
  await answerPing(agent)
  const second = connection.ping(patience).then(count)

  // As long as it takes to make another connection, and to ask there and be answered.
  const other = await connected()
  const answered = other.connection.ping(patience)
  await answerPing(other.agent)
  await answered
  expect([pongs, agent.received.length]).toEqual([0, 1])

  connection.release()
  connection.release()
  await first
  await answerPing(agent, 1)
  await second
  expect(pongs).toBe(2)
})

test("fails what is asked while it is held when the agent goes", async () => {
  const { connection, agent } = await connected()
  connection.hold()
  const pong = connection.ping(patience)
  connection.close()
  connection.release()
  await expect(pong).rejects.toThrow("closed here")
  agent.socket?.destroy()
})
