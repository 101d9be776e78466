import { afterEach, beforeEach, expect, test } from "vitest"
import { FakeApi } from "../testing/fake-api.js"

let api: FakeApi

beforeEach(async () => {
  api = await FakeApi.start()
})

afterEach(() => api.close())

const cli = (...args: string[]) => api.cli(args)

const vm = {
  id: 1,
  name: "box",
  status: "running",
  agent_port: 40001,
  ssh_port: 40002,
  agentHealthy: true,
  accelerator: "kvm",
  network: "none",
  snapshots: "disk",
  cpus: 1,
  memory_mb: 512,
  disk_gb: 10,
  idle_timeout: 900,
  expires_at: null,
  degraded: null,
  created_at: "2026-01-02T03:04:05.678Z",
}

test("pause says whether there was anything to pause", async () => {
  api.answers["POST /vms/box/pause"] = { body: { ...vm, status: "paused" } }
  expect((await cli("pause", "box")).stdout).toBe("Paused box\n")
  api.answers["POST /vms/box/pause"] = { body: { ...vm, status: "stopped" } }
  expect((await cli("pause", "box")).stdout).toBe("box has no machine that could be paused\n")
})

test("resume tells what was lost", async () => {
  api.answers["POST /vms/box/resume"] = { body: vm }
  expect((await cli("resume", "box")).stdout).toBe("Resumed box\n")
  api.answers["POST /vms/box/resume"] = { body: { ...vm, degraded: "Its memory was damaged." } }
  expect((await cli("resume", "box")).stdout).toBe("Resumed box. Its memory was damaged.\n")
})

test("lifetime shows the times", async () => {
  api.answers["GET /vms/box"] = { body: vm }
  expect((await cli("lifetime", "box")).stdout).toBe("idle timeout  15 min\ndestroyed at  never\n")
  expect(api.bodies).toEqual([])
})

test("lifetime sets what it is given", async () => {
  api.answers["PATCH /vms/box"] = { body: vm }
  const { stdout } = await cli("lifetime", "box", "--idle-timeout", "15m", "--json")
  expect(JSON.parse(stdout)).toEqual({ success: true, vm })
  await cli("lifetime", "box", "--idle-timeout", "none", "--ttl", "7d")
  expect(api.bodies).toEqual([{ idle_timeout: 900 }, { idle_timeout: null, ttl: 604_800 }])
})

test("create takes the times as well", async () => {
  api.answers["POST /vms"] = { status: 201, body: vm }
  await cli("create", "box", "--idle-timeout", "15m", "--ttl", "90")
  expect(api.bodies).toEqual([{ name: "box", idle_timeout: 900, ttl: 90 }])
})

test("info has the times, and what was lost", async () => {
  api.answers["GET /vms/box"] = { body: { ...vm, degraded: "Its memory was damaged." } }
  const { stdout } = await cli("info", "box")
  expect(stdout).toContain("idle timeout  15 min\n")
  expect(stdout).toContain("destroyed at  never\n")
  expect(stdout).toContain("degraded      Its memory was damaged.\n")
})

test.each([["--idle-timeout", "0"], ["--ttl", "soon"], ["--ttl"]])(
  "lifetime %s %s is a wrong usage",
  async (...time) => {
    expect((await cli("lifetime", "box", ...time)).exitCode).toBe(2)
    expect(api.bodies).toEqual([])
  },
)

test.each(["pause", "resume", "lifetime"])("%s has a help text", async (command) => {
  const { exitCode, stdout } = await cli(command, "--help")
  expect(exitCode).toBe(0)
  expect(stdout).toContain(`Usage: opensandbox ${command}`)
})
