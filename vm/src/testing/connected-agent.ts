import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { AgentConnection } from "../agent/connection.js"
import { FakeAgent, patience } from "./fake-agent.js"

/** A fake agent, and the host's connection to it. */
export interface ConnectedAgent {
  readonly agent: FakeAgent
  readonly connection: AgentConnection
  /** Ends both. */
  close(): Promise<void>
}

/** Connects to a new fake agent, over a socket of their own. */
export async function connectedAgent(): Promise<ConnectedAgent> {
  const directory = await mkdtemp(join(tmpdir(), "agent-"))
  const agent = new FakeAgent()
  const server = createServer((socket) => {
    agent.attach(socket)
  })
  server.listen(join(directory, "socket"))
  await once(server, "listening")
  const connection = await AgentConnection.connect(join(directory, "socket"), { deadlineMs: patience })
  return {
    agent,
    connection,
    close: async () => {
      connection.close()
      agent.socket?.destroy()
      server.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
