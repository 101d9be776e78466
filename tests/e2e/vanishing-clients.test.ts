import { once } from "node:events"
import { connect } from "node:net"
import type { Sandbox } from "opensandbox"
import { afterAll, beforeAll, expect, test } from "vitest"
import { WebSocket } from "ws"
import { children, openFiles } from "../support/process-facts.js"
import { succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"

let server: TestServer
let sandbox: Sandbox

beforeAll(async () => {
  server = await TestServer.start()
  sandbox = await server.create()
}, serverStartMs)

afterAll(() => server.dispose())

/** The programs that run in the guest; the kernel's own threads, children of the second process, are none. */
const programs = async () =>
  Number(succeeded(await sandbox.run("ps --ppid 2 -N --no-headers | wc -l", { snapshot: false })).stdout)

/** Connects, says something, and is gone. */
async function vanish(port: number, words: string): Promise<void> {
  const socket = connect(port, "127.0.0.1").on("error", () => undefined)
  const closed = once(socket, "close")
  if (await Promise.race([once(socket, "connect").then(() => true), closed.then(() => false)])) {
    socket.write(words, () => socket.resetAndDestroy())
  }
  await closed
}

async function terminalUrl(): Promise<string> {
  const path = `${server.url}/vms/${sandbox.name}/terminal`
  const response = await fetch(path, { method: "POST", headers: { "x-api-key": server.apiKey } })
  const { ticket } = (await response.json()) as { ticket: string }
  return `${path.replace("http", "ws")}?ticket=${ticket}`
}

test("500 connections that open and vanish leave no process, socket or listener", async () => {
  const { vm } = succeeded(await sandbox.info())
  const before = { programs: await programs(), files: openFiles(server.pid), children: children(server.pid) }
  const upgrade =
    `GET /vms/${sandbox.name}/terminal?ticket=x HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\n` +
    "upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
  const httpPort = Number(new URL(server.url).port)
  for (let round = 0; round < 24; round++) {
    await Promise.all([
      ...["", "SSH-2.0-vanishing\r\n", "SSH-2.0-vanishing\r\n\0\0\x01", "not ssh at all\r\n"].flatMap(
        (words) => [vanish(vm.ssh_port, words), vanish(vm.ssh_port, words)],
      ),
      ...["", "GET /vms", upgrade, `${upgrade}\r\n`].flatMap((words) => [
        vanish(httpPort, words),
        vanish(vm.agent_port, words),
        vanish(httpPort, words),
      ]),
    ])
  }
  // Terminals whose shells run already.
  for (let round = 0; round < 5; round++) {
    await Promise.all(
      Array.from({ length: 4 }, async (_, number) => {
        const socket = new WebSocket(await terminalUrl()).on("error", () => undefined)
        await once(socket, number % 2 === 0 ? "message" : "open")
        socket.terminate()
      }),
    )
  }

  const soon = { timeout: 30_000 }
  await expect.poll(programs, soon).toBe(before.programs)
  await expect.poll(() => openFiles(server.pid), soon).toBeLessThanOrEqual(before.files)
  await expect.poll(() => children(server.pid), soon).toBeLessThanOrEqual(before.children)
  expect(succeeded(await sandbox.run("echo still here")).stdout).toBe("still here\n")
})
