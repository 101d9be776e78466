import { afterEach, beforeEach, expect, test } from "vitest"
import { FakeApi } from "../testing/fake-api.js"
import { runCli } from "../testing/run-cli.js"

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
  accelerator: "tcg",
  network: "none",
  snapshots: "disk",
  cpus: 1,
  memory_mb: 512,
  disk_gb: 10,
  idle_timeout: null,
  expires_at: null,
  degraded: null,
  created_at: "2026-01-02T03:04:05.678Z",
}

test("create makes a sandbox", async () => {
  api.answers["POST /vms"] = { status: 201, body: vm }
  expect(await cli("create", "box")).toEqual({ exitCode: 0, stdout: "Created box\n", stderr: "" })
  expect(api.bodies).toEqual([{ name: "box" }])
  expect(JSON.parse((await cli("create", "box", "--json")).stdout)).toEqual({
    success: true,
    sandbox: { name: "box" },
    reused: false,
  })
})

test("create --reuse takes the one that is there", async () => {
  api.answers["POST /vms"] = { status: 200, body: vm }
  expect(await cli("create", "box", "--reuse")).toEqual({ exitCode: 0, stdout: "Reused box\n", stderr: "" })
  expect(api.bodies).toEqual([{ name: "box", reuse: true }])
})

test("create says what the snapshot after each command holds", async () => {
  api.answers["POST /vms"] = { status: 201, body: vm }
  await cli("create", "box", "--snapshots", "machine")
  expect(api.bodies).toEqual([{ name: "box", snapshots: "machine" }])
  expect((await cli("create", "box", "--snapshots", "all")).exitCode).toBe(2)
})

test("create gives a sandbox a network: all, none, or a list", async () => {
  api.answers["POST /vms"] = { status: 201, body: vm }
  await cli("create", "box", "--network", "internet")
  await cli("create", "box", "--network", "none")
  await cli("create", "box", "--network", "example.org:443", "--network", "11.0.0.0/8")
  expect(api.bodies).toEqual([
    { name: "box", network: "internet" },
    { name: "box", network: "none" },
    { name: "box", network: { allow: ["example.org:443", "11.0.0.0/8"] } },
  ])
})

test("create takes the size of a sandbox", async () => {
  api.answers["POST /vms"] = { status: 201, body: vm }
  await cli("create", "box", "--cpus", "2", "--memory-mb", "2048", "--disk-gb", "50")
  expect(api.bodies).toEqual([{ name: "box", cpus: 2, memory_mb: 2048, disk_gb: 50 }])
  expect((await cli("create", "box", "--cpus", "many")).exitCode).toBe(2)
})

test("fork makes one sandbox or several, from a snapshot or the present", async () => {
  api.answers["POST /vms/box/forks"] = {
    status: 201,
    body: {
      vms: [
        { ...vm, name: "a" },
        { ...vm, name: "b" },
      ],
    },
  }
  expect(await cli("fork", "box", "a", "b")).toEqual({
    exitCode: 0,
    stdout: "Created a\nCreated b\n",
    stderr: "",
  })
  const { stdout } = await cli("fork", "box", "a", "b", "--snapshot", "cmd_1", "--json")
  expect(JSON.parse(stdout)).toEqual({ success: true, sandboxes: [{ name: "a" }, { name: "b" }] })
  expect(api.bodies).toEqual([{ names: ["a", "b"] }, { names: ["a", "b"], snapshot: "cmd_1" }])
  await cli("fork", "box", "a", "b", "--memory")
  expect(api.bodies.at(-1)).toEqual({ names: ["a", "b"], memory: true })
  expect((await cli("fork", "box")).exitCode).toBe(2)
})

test("ls shows a table without borders, or JSON", async () => {
  api.answers["GET /vms"] = { body: { vms: [vm] } }
  expect((await cli("ls")).stdout).toBe(
    "NAME  STATUS   AGENT    SSH PORT  CREATED\n" +
      "box   running  healthy  40002     2026-01-02T03:04:05.678Z\n",
  )
  expect(JSON.parse((await cli("ls", "--json")).stdout)).toEqual({ success: true, vms: [vm] })
})

test("wipe and rm say what the server says", async () => {
  api.answers["POST /vms/box/wipe"] = { body: { message: "wiped" } }
  api.answers["DELETE /vms/box"] = { body: { message: "destroyed" } }
  expect((await cli("wipe", "box")).stdout).toBe("wiped\n")
  expect((await cli("rm", "box")).stdout).toBe("destroyed\n")
})

test("info says that software emulation does not isolate", async () => {
  api.answers["GET /vms/box"] = { body: vm }
  expect((await cli("info", "box")).stdout).toMatch(/^accelerator +tcg \(no isolation guarantee\)$/m)
})

test("a command that the quota forbids names what to do", async () => {
  const body = { error: "The sandbox's disk quota is reached", code: "quota_exceeded" }
  api.answers["POST /vms/box/run"] = { status: 429, body }
  const { exitCode, stderr } = await cli("run", "box", "make")
  expect(exitCode).toBe(125)
  expect(stderr).toMatch(/\(quota_exceeded\)\n.*opensandbox retention NAME.*rm-snapshot/)
})

test("a failure goes to stderr with its code and what to do; exit code 1", async () => {
  const { exitCode, stdout, stderr } = await cli("info", "none")
  expect([exitCode, stdout]).toEqual([1, ""])
  expect(stderr).toMatch(/^opensandbox: There is no such sandbox \(not_found\)\n.*opensandbox ls/)
})

test("a failure is one JSON document with --json", async () => {
  const { exitCode, stdout, stderr } = await cli("info", "none", "--json")
  expect([exitCode, stderr]).toEqual([1, ""])
  expect(JSON.parse(stdout)).toMatchObject({ success: false, code: "not_found" })
})

test("without a server a command says how to start one", async () => {
  const { exitCode, stderr } = await runCli(["create", "box"])
  expect(exitCode).toBe(1)
  expect(stderr).toMatch(/opensandbox serve.*\(unavailable\)/)
})

test("wrong usage exits with 2, on stderr, and as JSON too when asked for", async () => {
  const { stderr, ...rest } = await cli("dance")
  expect(rest).toEqual({ exitCode: 2, stdout: "" })
  expect(stderr).toContain("unknown command")
  const asJson = await cli("info", "--json")
  expect(asJson.exitCode).toBe(2)
  expect(JSON.parse(asJson.stdout)).toMatchObject({ success: false, code: "invalid_request" })
})

test.each([
  [[]],
  [["serve"]],
  [["keys"]],
  [["keys", "create"]],
  [["keys", "list"]],
  [["keys", "revoke"]],
  [["keys", "add-ssh"]],
  [["create"]],
  [["ls"]],
  [["run"]],
  [["snapshots"]],
  [["snapshot"]],
  [["rm-snapshot"]],
  [["restore"]],
  [["undo"]],
  [["diff"]],
  [["show"]],
  [["fork"]],
  [["retention"]],
  [["export"]],
  [["import"]],
  [["info"]],
  [["wipe"]],
  [["rm"]],
  [["doctor"]],
  [["completion"]],
])("%j has a help text, with exit code 0", async (command) => {
  const { exitCode, stdout } = await cli(...command, "--help")
  expect(exitCode).toBe(0)
  expect(stdout).toContain(`Usage: ${["opensandbox", ...command].join(" ")}`)
})
