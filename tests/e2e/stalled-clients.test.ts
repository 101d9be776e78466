import { once } from "node:events"
import { request, type IncomingMessage } from "node:http"
import type { Sandbox } from "opensandbox"
import { beforeAll, expect, test } from "vitest"
import { WebSocket } from "ws"
import { eventually } from "../support/eventually.js"
import { bytesRead, residentBytes } from "../support/process-facts.js"
import { succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"

const mebibyte = 1024 * 1024

const fileBytes = 60 * mebibyte

const terminalBytes = 12 * mebibyte

/** So many that all they ask for would be several times what the server may grow by. */
const clientCount = 10

const mostGrowth = 40 * mebibyte

/** So many looks at the server in a row find that it reads nothing more. */
const stillLooks = 10

const deadlineMs = 120_000

const testMs = 300_000

let server: TestServer
let sandbox: Sandbox

beforeAll(async () => {
  server = await TestServer.start()
  sandbox = await server.create()
  succeeded(await sandbox.run(`mkdir data && head -c ${fileBytes} /dev/zero > data/file`))
  return () => server.dispose()
}, serverStartMs)

/** A client that has begun to get something, and reads no more of it. */
interface Stalled {
  /** Reads the rest. @returns how many bytes there were in all. */
  readOn(): Promise<number>
}

/** Asks for content by hand, and takes nothing of it. */
async function content(path: string): Promise<Stalled> {
  const headers = { "x-api-key": server.apiKey }
  const asked = request(`${server.url}/vms/${sandbox.name}/${path}`, { headers, agent: false })
  asked.end()
  const [answer] = (await once(asked, "response")) as [IncomingMessage]
  answer.socket.pause()
  return {
    readOn: async () => {
      let bytes = 0
      answer.socket.resume()
      for await (const chunk of answer) bytes += (chunk as Buffer).length
      return bytes
    },
  }
}

/** Opens a terminal by hand, and takes nothing of what is printed in it. */
async function terminal(command: string): Promise<Stalled> {
  const path = `${server.url}/vms/${sandbox.name}/terminal`
  const headers = { "x-api-key": server.apiKey, "content-type": "application/json" }
  const asked = await fetch(path, { method: "POST", headers, body: JSON.stringify({ command }) })
  const { ticket } = (await asked.json()) as { ticket: string }
  const socket = new WebSocket(`${path.replace("http", "ws")}?ticket=${ticket}`)
  let bytes = 0
  socket.on("message", (data, isBinary) => {
    if (isBinary) bytes += (data as Buffer).length
  })
  const closed = once(socket, "close")
  await once(socket, "open")
  socket.pause()
  return {
    readOn: async () => {
      socket.resume()
      await closed
      return bytes
    },
  }
}

/** Waits until the server reads nothing more from its guests. */
async function stillness(): Promise<void> {
  let seen = -1
  let looks = 0
  await eventually("the server to stand still", deadlineMs, () => {
    const now = bytesRead(server.pid)
    looks = now === seen ? looks + 1 : 0
    seen = now
    return looks === stillLooks ? true : undefined
  })
}

test.each([
  ["a file", fileBytes, () => content("files?path=data/file")],
  // What an archive adds: headers, with the exact time of the file, and blocks of zeros at the end.
  ["a directory", fileBytes + 2560, () => content("files/tar?path=data")],
  // Which is slower in the guest by far.
  ["a terminal", terminalBytes, () => terminal(`head -c ${terminalBytes} data/file`)],
])(
  "clients that stop reading %s grow nothing, hold nobody up, and get all when they read on",
  { timeout: testMs },
  async (_, bytes, stall) => {
    const before = residentBytes(server.pid)
    const clients = await Promise.all(Array.from({ length: clientCount }, stall))
    await stillness()
    expect(residentBytes(server.pid) - before).toBeLessThan(mostGrowth)
    expect(succeeded(await sandbox.run("echo beside", { snapshot: false })).stdout).toBe("beside\n")
    expect(await Promise.all(clients.map((client) => client.readOn()))).toEqual(clients.map(() => bytes))
  },
)
