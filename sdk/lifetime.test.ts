import { expect, test } from "vitest"
import { Client, type VMInfo } from "./index.js"
import { sendJson, startTestServer } from "./testing/test-server.js"

const vm: VMInfo = {
  id: 1,
  name: "box",
  status: "running",
  agent_port: 40001,
  ssh_port: 40002,
  agentHealthy: true,
  accelerator: "tcg",
  network: "none",
  snapshots: "disk",
  cpus: 1,
  memory_mb: 512,
  disk_gb: 10,
  idle_timeout: 900,
  expires_at: "2026-01-02T03:04:05.678Z",
  degraded: null,
  created_at: "2026-01-01T03:04:05.678Z",
}

const paused: VMInfo = { ...vm, status: "paused", agentHealthy: false }

/** A server that gives each request its own answer. */
const serverThatAnswers = (answers: Record<string, unknown>) =>
  startTestServer((request, response) => {
    const answer = answers[`${request.method} ${request.path}`]
    sendJson(response, answer === undefined ? 404 : 200, answer ?? { error: "none", code: "not_found" })
  })

test("pause and resume tell what became of the sandbox", async () => {
  const degraded = { ...vm, degraded: "Its memory was damaged." }
  await using server = await serverThatAnswers({
    "POST /vms/box/pause": paused,
    "POST /vms/box/resume": degraded,
  })
  const client = new Client("ws_k", server.url)
  const box = client.sandbox("box")
  expect(await box.pause()).toEqual({ success: true, vm: paused })
  expect(await box.resume()).toEqual({ success: true, vm: degraded })
  expect(await client.sandbox("none").pause()).toMatchObject({ success: false, code: "not_found" })
})

test("the times are set one by one, and come with a new sandbox", async () => {
  await using server = await serverThatAnswers({ "PATCH /vms/box": vm, "POST /vms": vm })
  const client = new Client("ws_k", server.url)
  const box = client.sandbox("box")
  expect(await box.setLifetime({ idle_timeout: 900 })).toEqual({ success: true, vm })
  await box.setLifetime({ ttl: null })
  await client.create("box", { idle_timeout: null, ttl: 60 })
  expect(server.requests.map(({ body }) => JSON.parse(body) as unknown)).toEqual([
    { idle_timeout: 900 },
    { ttl: null },
    { name: "box", idle_timeout: null, ttl: 60 },
  ])
})
