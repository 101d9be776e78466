import { createServer } from "node:net"
import { pino } from "pino"
import { afterEach, beforeEach, expect, it } from "vitest"
import { listen } from "../net/listen.js"
import { generateEd25519KeyPair } from "../ssh/ed25519-key-pair.js"
import { createTestServer, type TestServer } from "../testing/test-server.js"
import { SandboxPorts } from "./sandbox-ports.js"

let server: TestServer
let ports: SandboxPorts

beforeEach(async () => {
  server = await createTestServer()
  const { app, keyring, sandboxes } = server
  const hostKey = generateEd25519KeyPair().privateKey
  const log = pino({ level: "silent" })
  const api = (onlySandbox: string) => ({ fetch: (request: Request) => app.fetch(request, { onlySandbox }) })
  ports = new SandboxPorts(api, { hostKey, keyring, service: () => sandboxes, log })
  await sandboxes.create(server.userId, { name: "box" })
})
afterEach(async () => {
  await ports.closeAll()
  await server.close()
})

const box = () => ({ id: 1, name: "box", ownerId: server.userId, agentPort: null, sshPort: null })

async function statusOf(port: number, path: string, method = "GET"): Promise<number> {
  const headers = { "x-api-key": server.keys.user }
  return (await fetch(`http://127.0.0.1:${port}${path}`, { method, headers })).status
}

it("speaks the API for just one sandbox, and SSH", async () => {
  await server.sandboxes.create(server.userId, { name: "other" })
  const { agentPort, sshPort } = await ports.open(box())

  expect(await statusOf(agentPort, "/vms/box")).toBe(200)
  expect(await statusOf(agentPort, "/vms/other")).toBe(404)
  expect(await statusOf(agentPort, "/vms")).toBe(404)
  expect(sshPort).not.toBe(agentPort)
})

it("takes the ports that a sandbox had before", async () => {
  const before = await ports.open(box())
  await ports.closeAll()

  expect(await ports.open({ ...box(), ...before })).toEqual(before)
})

it("takes others when somebody else has them", async () => {
  const somebody = createServer()
  const taken = await listen(somebody, { host: "127.0.0.1", port: 0 })

  const { agentPort, sshPort } = await ports.open({ ...box(), agentPort: taken, sshPort: taken })

  expect([agentPort, sshPort]).not.toContain(taken)
  somebody.close()
})

it("still answers the request that destroys the sandbox and so closes its ports", async () => {
  const { agentPort } = await ports.open(box())
  const destroy = server.sandboxes.destroy.bind(server.sandboxes)
  server.sandboxes.destroy = async (owner, name) => {
    await destroy(owner, name)
    await ports.close(1)
  }

  expect(await statusOf(agentPort, "/vms/box", "DELETE")).toBe(200)
  await expect(fetch(`http://127.0.0.1:${agentPort}/health`)).rejects.toThrow()
})
