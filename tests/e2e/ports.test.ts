import { createHash, randomBytes } from "node:crypto"
import { once } from "node:events"
import type { IncomingMessage } from "node:http"
import { readdirSync, readFileSync } from "node:fs"
import type { Socket } from "node:net"
import type { Sandbox } from "opensandbox"
import { beforeAll, describe, expect, test } from "vitest"
import { exec, opensandbox } from "../support/cli.js"
import { eventually } from "../support/eventually.js"
import { askPort, openPort } from "../support/port-request.js"
import { failed, succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"

const deadlineMs = 60_000

/** How long a test with many connections may take on a busy machine. */
const manyMs = 180_000

/** Seconds that an interpreter under software emulation may take to start. */
const startSeconds = 60

let server: TestServer

beforeAll(async () => {
  server = await TestServer.start()
  return () => server.dispose()
}, serverStartMs)

const key = () => ({ "x-api-key": server.apiKey })

/** Starts a program in the background of a sandbox and waits until it listens. */
async function serve(sandbox: Sandbox, port: number, command: string): Promise<string> {
  succeeded(await sandbox.run(`(${command}) > server-${port}.log 2>&1 &`))
  succeeded(await sandbox.waitForPort(port, startSeconds))
  return sandbox.url(port)
}

/** The command line that runs a program in Node. */
const node = (program: string) => `node -e '${program}'`

const files = (port: number) => `python3 -m http.server ${port} --bind 127.0.0.1 --directory /workspace`

/** Takes connections and reads what comes, but never answers. */
const silent = (port: number) =>
  node(`require("net").createServer(s => s.on("error", () => {}).resume()).listen(${port})`)

const webSocketEcho = (port: number) =>
  node(
    `require("http").createServer((q, s) => s.end("plain")).on("upgrade", (q, s) => {
      const key = q.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
      const accept = require("crypto").createHash("sha1").update(key).digest("base64")
      s.write("HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n" +
        "Sec-WebSocket-Accept: " + accept + "\\r\\n\\r\\n")
      s.on("data", (frame) => {
        const length = frame[1] & 127
        const text = Buffer.from(frame.subarray(6, 6 + length)).map((byte, i) => byte ^ frame[2 + (i % 4)])
        s.write(Buffer.concat([Buffer.from([frame[0], length]), text]))
      }).on("error", () => {})
    }).listen(${port}, "::1")`,
  )

describe("a page of a server in a sandbox", () => {
  test("comes whole, by key, by a signed link, and to everybody once it is public", async () => {
    const sandbox = await server.create()
    succeeded(await sandbox.run("head -c 3000000 /dev/urandom > page; sha256sum page | cut -c1-64 > sum"))
    const url = await serve(sandbox, 8080, files(8080))
    expect(url).toBe(`http://8080-${sandbox.name}.localhost:${new URL(server.url).port}/`)
    const sum = (await askPort(`${url}sum`, { headers: key() })).body.toString().trim()

    const page = await askPort(`${url}page`, { headers: key() })
    expect(page.status).toBe(200)
    expect(createHash("sha256").update(page.body).digest("hex")).toBe(sum)
    expect((await askPort(`${url}page`)).status).toBe(401)

    const link = succeeded(await sandbox.url(8080, { expires: 60 }))
    const byLink = await askPort(link.url.replace("/?", "/sum?"))
    expect(byLink.body.toString().trim()).toBe(sum)
    const { hostname, port } = new URL(url)
    const resolve = `${hostname}:${port}:127.0.0.1`
    const browser = ["-s", "-L", "-b", "", "--resolve", resolve, "-H", "accept: text/html"]
    const curl = await exec("curl", [...browser, "-w", "%{num_redirects}", link.url.replace("/?", "/sum?")])
    expect(curl.stdout).toBe(`${sum}
1`)

    expect(succeeded(await sandbox.setPort(8080, { public: true })).port).toEqual({
      port: 8080,
      public: true,
    })
    expect((await askPort(`${url}sum`)).body.toString().trim()).toBe(sum)
    expect(succeeded(await sandbox.ports()).ports).toEqual([{ port: 8080, public: true }])
  })

  test("is there again after a restart of the server, and to nobody new", async () => {
    const sandbox = await server.create()
    const url = await serve(sandbox, 8080, files(8080))
    await askPort(url, { headers: key() })
    succeeded(await sandbox.setPort(8081, { public: true }))
    const { search } = new URL(succeeded(await sandbox.url(8080, { expires: 600 })).url)
    await server.restart()
    const again = server.sandbox(sandbox.name)
    // The machine was ended with the server, and with it what ran; the request starts another.
    const stopped = await askPort(again.url(8080) + search)
    expect(stopped.status).toBe(502)
    expect(stopped.body.toString()).toContain("start a server there")
    expect(succeeded(await again.info()).vm.status).toBe("running")
    expect(succeeded(await again.ports()).ports).toEqual([{ port: 8081, public: true }])
    await serve(again, 8080, files(8080))
    expect((await askPort(again.url(8080) + search)).status).toBe(200)
  })

  test("breaks off with a restore, and answers with an error after it", async () => {
    const sandbox = await server.create()
    const url = await serve(sandbox, 9003, silent(9003))
    const hanging = askPort(url, { headers: key() })
    const outcome = hanging.catch((error: unknown) => error)
    await eventually("its arrival", deadlineMs, async () => {
      const { stdout } = succeeded(
        await sandbox.run("ss -Htn state established sport = :9003", { snapshot: false }),
      )
      return stdout === "" ? undefined : true
    })
    succeeded(await sandbox.restore("initial"))
    expect(await outcome).toMatchObject({ status: 502 })
    expect((await askPort(url, { headers: key() })).status).toBe(502)
  })
})

test("a WebSocket echoes, at whatever loopback address its server listens", async () => {
  const sandbox = await server.create()
  const url = await serve(sandbox, 9001, webSocketEcho(9001))
  expect((await askPort(url, { headers: key() })).body.toString()).toBe("plain")

  const webSocketKey = randomBytes(16).toString("base64")
  const handshake = { connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13" }
  const outgoing = openPort(url, { headers: { ...key(), ...handshake, "sec-websocket-key": webSocketKey } })
  outgoing.end()
  const [answer, socket] = (await once(outgoing, "upgrade")) as [IncomingMessage, Socket]
  const accept = createHash("sha1")
    .update(`${webSocketKey}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest("base64")
  expect(answer.headers["sec-websocket-accept"]).toBe(accept)
  socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | 5, 0, 0, 0, 0]), Buffer.from("hello")]))
  const [frame] = (await once(socket, "data")) as [Buffer]
  expect(frame.subarray(2).toString()).toBe("hello")
  socket.destroy()
})

test("a wait for a port ends when something listens, or in time", async () => {
  const sandbox = await server.create()
  expect(failed(await sandbox.waitForPort(8080, 0.2)).code).toBe("timeout")
  const waiting = sandbox.waitForPort(8080, startSeconds)
  succeeded(await sandbox.run(`(${files(8080)}) > log 2>&1 &`))
  succeeded(await waiting)
  expect((await askPort(sandbox.url(8080), { headers: key() })).status).toBe(200)
  const refused = await askPort(sandbox.url(8081), { headers: key() })
  expect(refused.status).toBe(502)
  expect(refused.body.toString()).toContain("port 8081")
})

test(
  "a client that stops reading is sent no more, grows nothing, and holds nobody up",
  async () => {
    const sandbox = await server.create()
    const endless = `require("http").createServer((q, s) => {
    const more = () => { while (s.write(Buffer.alloc(65536))); }
    s.on("drain", more); more()
  }).listen(9004)`
    const url = await serve(sandbox, 9004, node(endless))
    const page = await serve(sandbox, 8080, files(8080))
    const before = residentBytes(server.pid)
    const stuck = Array.from({ length: 10 }, () => openPort(url, { headers: key() }))
    for (const outgoing of stuck) outgoing.on("error", () => undefined).end()
    const answers = await Promise.all(stuck.map((outgoing) => once(outgoing, "response")))
    for (const [answer] of answers as [IncomingMessage][]) answer.pause()
    for (let asked = 0; asked < 5; asked++) expect((await askPort(page, { headers: key() })).status).toBe(200)
    expect(residentBytes(server.pid) - before).toBeLessThan(100 * 1024 * 1024)
    for (const outgoing of stuck) outgoing.destroy()
  },
  manyMs,
)

test(
  "200 connections that open and vanish leave nothing behind",
  async () => {
    const sandbox = await server.create()
    const url = await serve(sandbox, 9002, silent(9002))
    const before = openFiles(server.pid)
    for (let batch = 0; batch < 4; batch++) {
      const opened = Array.from({ length: 50 }, (_, index) => {
        const outgoing = openPort(url, { headers: index % 5 === 0 ? {} : key() })
        outgoing.on("error", () => undefined)
        outgoing.end()
        return outgoing
      })
      await Promise.all(opened.map((outgoing) => once(outgoing, "finish")))
      for (const outgoing of opened) outgoing.destroy()
    }
    await eventually("the guest's connections to end", deadlineMs, async () => {
      const { stdout } = succeeded(
        await sandbox.run("ss -Htan sport = :9002 | grep -Ev 'LISTEN|TIME-WAIT'", { snapshot: false }),
      )
      return stdout === "" ? true : undefined
    })
    await eventually("the server's connections to end", deadlineMs, () =>
      openFiles(server.pid) <= before ? true : undefined,
    )
    // Streams that were left open would be all in use by now.
    const page = await serve(sandbox, 8080, files(8080))
    expect((await askPort(page, { headers: key() })).status).toBe(200)
  },
  manyMs,
)

test("the command line prints addresses, makes links and opens ports", async () => {
  const sandbox = await server.create()
  const env = { OPENSANDBOX_API_KEY: server.apiKey, OPENSANDBOX_BASE_URL: server.url }
  const url = await serve(sandbox, 8080, files(8080))
  expect(await opensandbox(["port", sandbox.name, "8080"], { env })).toMatchObject({
    code: 0,
    stdout: `${url}\n`,
  })
  const link = await opensandbox(["port", sandbox.name, "8080", "--expires", "60"], { env })
  expect((await askPort(link.stdout.trim())).status).toBe(200)
  expect((await askPort(url)).status).toBe(401)
  await opensandbox(["port", sandbox.name, "8080", "--public"], { env })
  expect((await askPort(url)).status).toBe(200)
  await opensandbox(["port", sandbox.name, "8080", "--no-public"], { env })
  expect((await askPort(url)).status).toBe(401)
})

/** How many files and sockets a process has open. */
function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

/** The memory that a process takes. */
function residentBytes(pid: number): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? []
  return Number(kilobytes) * 1024
}
