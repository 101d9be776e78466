import { spawn, type ChildProcess } from "node:child_process"
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { createServer as createTcpServer } from "node:net"
import type { Sandbox } from "opensandbox"
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest"
import { exec } from "../support/cli.js"
import { eventually } from "../support/eventually.js"
import { matching } from "../support/matchers.js"
import { succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"
import { SshAccess } from "../support/ssh.js"

const host = "127.0.0.1"
const patience = 20_000

let server: TestServer
let access: SshAccess
let sandbox: Sandbox
let port: number
let login: string[]
const clients: ChildProcess[] = []

beforeAll(async () => {
  access = await SshAccess.make()
  server = await TestServer.start()
  sandbox = await access.sandboxOf(server, "forwarded")
  port = succeeded(await sandbox.info()).vm.ssh_port
  login = access.options(port)
  succeeded(await sandbox.run("echo from the guest > page; seq 300000 > numbers"))
  await serve()
}, serverStartMs)

afterEach(async () => {
  for (const client of clients.splice(0)) {
    if (client.exitCode !== null || client.signalCode !== null) continue
    const exit = once(client, "exit")
    client.kill()
    await exit
  }
})

afterAll(async () => {
  await server.dispose()
  await access.dispose()
})

/** Starts a web server in the guest. */
async function serve(): Promise<void> {
  succeeded(await sandbox.run("python3 -m http.server 8000 > /dev/null 2>&1 &"))
  succeeded(await sandbox.waitForPort(8000, 60))
}

/** Starts `ssh -N`, which only forwards. What it says goes to `said`. */
function forwarding(...args: string[]): { client: ChildProcess; said: () => string } {
  // The first of an option's values counts.
  const options = ["-oLogLevel=INFO", ...login, "-oExitOnForwardFailure=yes"]
  const client = spawn("ssh", ["-N", ...options, ...args, host], { stdio: ["ignore", "ignore", "pipe"] })
  clients.push(client)
  let said = ""
  client.stderr.setEncoding("utf8").on("data", (text: string) => (said += text))
  return { client, said: () => said }
}

async function freePort(): Promise<number> {
  const probe = createTcpServer().listen(0, host)
  await once(probe, "listening")
  const { port } = probe.address() as AddressInfo
  probe.close()
  return port
}

/** The answer of what listens on a port, as soon as something does. */
function answerOf(port: number, path: string): Promise<string> {
  return eventually(`an answer on port ${port}`, patience, () =>
    fetch(`http://${host}:${port}${path}`).then(
      (response) => response.text(),
      () => undefined,
    ),
  )
}

async function inGuest(command: string): Promise<string> {
  return succeeded(await sandbox.run(command, { snapshot: false })).stdout
}

describe("ssh -L", () => {
  test("reaches a server in the guest, many times at once, and takes no snapshot", async () => {
    const before = succeeded(await sandbox.snapshots()).snapshots.length
    const at = await freePort()
    forwarding("-L", `${at}:localhost:8000`)
    expect(await answerOf(at, "/page")).toBe("from the guest\n")
    const numbers = await Promise.all(Array.from({ length: 5 }, () => answerOf(at, "/numbers")))
    expect(numbers.map((text) => text.split("\n").length)).toEqual([
      300_001, 300_001, 300_001, 300_001, 300_001,
    ])
    expect(succeeded(await sandbox.snapshots()).snapshots.length).toBe(before)
  })

  test("reaches the guest's addresses, not the host's", async () => {
    const web = createServer((_request, response) => response.end("from the host\n")).listen(0, host)
    await once(web, "listening")
    const hostPort = (web.address() as AddressInfo).port
    const at = await freePort()
    forwarding("-L", `${at}:${host}:8000`)
    expect(await answerOf(at, "/page")).toBe("from the guest\n")
    const refused = await exec("ssh", [...login, "-W", `${host}:${hostPort}`, host], {
      input: "GET / HTTP/1.0\r\n\r\n",
    })
    web.close()

    expect(refused).toMatchObject({ code: 255, stdout: "" })
  })

  test("as -W carries one connection, each side to its own end", async () => {
    const answer = await exec("ssh", [...login, "-W", "localhost:8000", host], {
      input: "GET /page HTTP/1.0\r\n\r\n",
    })
    expect(answer).toMatchObject({ code: 0, stdout: matching(/^HTTP\/1\.0 200 .*from the guest\n$/s) })
  })
})

describe("ssh -R", () => {
  test("lets the guest reach a server at the client", async () => {
    const web = createServer((_request, response) => response.end("from the client\n")).listen(0, host)
    await once(web, "listening")
    const webPort = (web.address() as AddressInfo).port
    const { said } = forwarding("-R", `0:${host}:${webPort}`)
    const allocated = await eventually("the port", patience, () => /Allocated port (\d+)/.exec(said())?.[1])
    expect(await inGuest(`curl -s http://localhost:${allocated}/`)).toBe("from the client\n")

    clients.at(-1)?.kill()
    await expect
      .poll(() => inGuest(`curl -s http://localhost:${allocated}/; echo $?`), { timeout: patience })
      .toBe("7\n")
    web.close()
  })

  test("of a port that is taken is refused", async () => {
    const { client } = forwarding("-R", `8000:${host}:1`)
    expect(await once(client, "exit")).toEqual([255, null])
  })

  test("ends with the connection at a restore, so that the client knows", async () => {
    const { client, said } = forwarding("-R", `0:${host}:1`)
    await eventually("the port", patience, () => /Allocated port (\d+)/.exec(said())?.[1])
    const { snapshots } = succeeded(await sandbox.snapshots())
    const exit = once(client, "exit")
    succeeded(await sandbox.restore(snapshots.at(-1)?.snapshot_name ?? ""))

    expect((await exit)[0]).toBe(255)
    await serve()
  })
})

test("one connection carries many sessions (ControlMaster)", async () => {
  const control = ["-S", access.file("control")]
  const master = spawn("ssh", ["-MN", ...control, ...login, host], { stdio: "ignore" })
  clients.push(master)
  await eventually("the master", patience, async () => {
    const check = await exec("ssh", [...control, "-O", "check", host])
    return check.code === 0 || undefined
  })
  const all = await Promise.all(
    [1, 2, 3, 4].map((n) => exec("ssh", [...control, host, `echo ${n}; exit ${n}`])),
  )
  expect(all.map(({ stdout, code }) => [stdout, code])).toEqual([
    ["1\n", 1],
    ["2\n", 2],
    ["3\n", 3],
    ["4\n", 4],
  ])
  const at = await freePort()
  await exec("ssh", [...control, "-O", "forward", "-L", `${at}:localhost:8000`, host])
  expect(await answerOf(at, "/page")).toBe("from the guest\n")
  const exit = once(master, "exit")
  await exec("ssh", [...control, "-O", "exit", host])
  await exit
})

test("it works through a ProxyCommand", async () => {
  const relay = `const s=require("net").connect(${port},"${host}");process.stdin.pipe(s).pipe(process.stdout)`
  const proxy = `-oProxyCommand=${process.execPath} -e '${relay}'`
  expect(await exec("ssh", [proxy, ...login, host, "echo through"])).toMatchObject({
    code: 0,
    stdout: "through\n",
  })
})

test("variables reach the command", async () => {
  const sent = await exec("ssh", ["-oSetEnv=EDITOR_AGENT=1", ...login, host, "echo $EDITOR_AGENT"])
  expect(sent).toMatchObject({ code: 0, stdout: "1\n" })
})
