import { readFile } from "node:fs/promises"
import { Client } from "opensandbox"
import { beforeAll, expect, test } from "vitest"
import { anyString } from "../support/matchers.js"
import { failed, succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"
import { raw } from "../support/wire.js"

let server: TestServer

beforeAll(async () => {
  server = await TestServer.start()
  return () => server.dispose()
}, serverStartMs)

async function agentUrl(name: string): Promise<string> {
  const { vm } = succeeded(await server.sandbox(name).info())
  return `http://127.0.0.1:${vm.agent_port}`
}

test("a sandbox's own port speaks the API for just this sandbox", async () => {
  const [box, other] = [await server.create(), await server.create()]
  const url = await agentUrl(box.name)
  expect(await agentUrl(other.name)).not.toBe(url)
  const client = new Client(server.apiKey, url)

  expect((await raw(url, "/health")).body).toEqual({ status: "ok", timestamp: anyString })
  expect((await raw(url, "/openapi.json")).status).toBe(200)
  const { stdout, snapshot } = succeeded(await client.sandbox(box.name).run("echo here | tee file"))
  expect(stdout).toBe("here\n")
  expect(succeeded(await box.snapshots())).toEqual(succeeded(await client.sandbox(box.name).snapshots()))
  succeeded(await client.sandbox(box.name).wipe())
  succeeded(await client.sandbox(box.name).restore(snapshot))
  expect(succeeded(await box.run("cat file")).stdout).toBe("here\n")

  for (const [method, path] of [
    ["GET", "/vms"],
    ["POST", "/vms"],
    ["GET", "/snapshots"],
    ["GET", "/keys"],
    ["POST", "/keys"],
    ["GET", `/vms/${other.name}`],
    ["DELETE", `/vms/${other.name}`],
    ["GET", `/vms/${other.name}/snapshots`],
    ["POST", `/vms/${other.name}/run`],
  ] as const) {
    const body = method === "POST" ? { body: '{"name":"new","command":"true"}' } : {}
    const answer = await raw(url, path, { method, key: server.apiKey, ...body })
    expect({ path, status: answer.status, ...answer.body }).toMatchObject({ status: 404, code: "not_found" })
  }
  expect(succeeded(await server.client().list()).vms).toHaveLength(2)

  expect((await raw(url, `/vms/${box.name}`)).status).toBe(401)
  expect(failed(await new Client("ws_wrong", url).sandbox(box.name).run("true")).code).toBe("unauthorized")

  succeeded(await client.sandbox(box.name).destroy())
  // What was connected before may still be told that there is nothing any more.
  const code = async () => failed(await client.sandbox(box.name).info()).code
  await expect.poll(code, { timeout: 20_000 }).toBe("unavailable")
  succeeded(await other.destroy())
})

test("both ports stay the same over a restart of the server, and listen on loopback only", async () => {
  const { name } = await server.create()
  const before = succeeded(await server.sandbox(name).info()).vm
  await server.restart()
  const after = succeeded(await server.sandbox(name).info()).vm
  expect([after.agent_port, after.ssh_port]).toEqual([before.agent_port, before.ssh_port])
  expect((await raw(await agentUrl(name), "/health")).status).toBe(200)
  const listening = await listeningAddresses([after.agent_port, after.ssh_port])
  expect(listening).toEqual(["0100007F", "0100007F"])
})

/** The local addresses, as the kernel writes them, on which someone listens on these ports. */
async function listeningAddresses(ports: number[]): Promise<string[]> {
  const sockets = (await readFile("/proc/net/tcp", "utf8")) + (await readFile("/proc/net/tcp6", "utf8"))
  const wanted = ports.map((port) => port.toString(16).toUpperCase().padStart(4, "0"))
  return [...sockets.matchAll(/^\s*\d+: ([0-9A-F]+):([0-9A-F]{4}) \S+ 0A /gm)]
    .filter(([, , port]) => wanted.includes(port ?? ""))
    .map(([, address]) => address ?? "")
}
