import { mkdtemp, rm } from "node:fs/promises"
import { createServer, type Server, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, expect, test } from "vitest"
import { DeadlineError } from "../deadline.js"
import { QmpClient, QmpClosedError, QmpError } from "./client.js"

interface Command {
  execute: string
  id: number
}

let directory: string
let path: string
let server: Server
const peers = new Set<Socket>()

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "qmp-"))
  path = join(directory, "qmp")
})

afterEach(async () => {
  for (const peer of peers) peer.destroy()
  peers.clear()
  server.close()
  await rm(directory, { recursive: true })
})

/** A monitor that greets, negotiates, and lets the test answer the rest. */
async function monitor(answer: (command: Command, peer: Socket) => void): Promise<void> {
  server = createServer((peer) => {
    peers.add(peer)
    peer.on("error", () => undefined)
    peer.write('{"QMP": {"version": {}, "capabilities": []}}\n')
    peer.on("data", (data) => {
      for (const line of data.toString().trim().split("\n")) {
        const command = JSON.parse(line) as Command
        if (command.execute === "qmp_capabilities") peer.write(`{"return": {}, "id": ${command.id}}\n`)
        else answer(command, peer)
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
}

test("matches answers to commands by their number, in whatever order they come", async () => {
  const waiting: Command[] = []
  await monitor((command, peer) => {
    waiting.push(command)
    if (waiting.length < 2) return
    for (const { id, execute } of waiting.reverse()) peer.write(`{"return": "${execute}!", "id": ${id}}\n`)
  })
  const client = await QmpClient.connect(path, 2000)
  expect(await Promise.all([client.execute("first"), client.execute("second")])).toEqual([
    "first!",
    "second!",
  ])
  client.close()
})

test("turns a refusal into an error that names the command", async () => {
  await monitor(({ id }, peer) =>
    peer.write(`{"error": {"class": "GenericError", "desc": "no"}, "id": ${id}}\n`),
  )
  const client = await QmpClient.connect(path, 2000)
  await expect(client.execute("cont")).rejects.toThrow(new QmpError("cont", "GenericError", "no"))
  client.close()
})

test("tells events to its listeners, until they leave", async () => {
  await monitor(({ id }, peer) =>
    peer.write(`{"event": "STOP", "data": {"a": 1}, "timestamp": {}}\n{"return": {}, "id": ${id}}\n`),
  )
  const client = await QmpClient.connect(path, 2000)
  const seen: unknown[] = []
  const leave = client.onEvent(({ event, data }) => seen.push([event, data]))
  await client.execute("stop")
  leave()
  await client.execute("stop")
  expect(seen).toEqual([["STOP", { a: 1 }]])
  client.close()
})

test("fails what is pending when the machine ends, and all that comes later", async () => {
  await monitor((_, peer) => peer.destroy())
  const client = await QmpClient.connect(path, 2000)
  await expect(client.execute("cont")).rejects.toThrow(QmpClosedError)
  await client.closed
  await expect(client.execute("cont")).rejects.toThrow(QmpClosedError)
})

test("hangs up on a monitor that sends nonsense", async () => {
  await monitor((_, peer) => peer.write('{"return": 1}\n'))
  const client = await QmpClient.connect(path, 2000)
  await expect(client.execute("cont")).rejects.toThrow(/broke the protocol/)
})

test("gives up on an answer that does not come", async () => {
  await monitor(() => undefined)
  const client = await QmpClient.connect(path, 2000)
  await expect(client.execute("cont", {}, 20)).rejects.toThrow(DeadlineError)
  client.close()
})

test("waits for a monitor that is not there yet, and not for one whose machine is gone", async () => {
  const connecting = QmpClient.connect(path, 5000)
  await monitor(() => undefined)
  const client = await connecting
  client.close()
  await expect(QmpClient.connect(join(directory, "none"), 5000, () => true)).rejects.toThrow(/has ended/)
  await expect(QmpClient.connect(join(directory, "none"), 20)).rejects.toThrow(DeadlineError)
})
