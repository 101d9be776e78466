import { afterEach, beforeEach, expect, test } from "vitest"
import { FakeApi } from "../testing/fake-api.js"

let api: FakeApi

beforeEach(async () => {
  api = await FakeApi.start()
  api.answers["GET /vms/box/processes/7"] = { body: info }
})

afterEach(() => api.close())

const info = {
  id: "7-5",
  pid: 7,
  command: "make dev",
  running: true,
  exitCode: null,
  signal: null,
  started_at: "2030-01-01T00:00:00.000Z",
}

const events = (...list: [string, unknown][]) => ({
  type: "text/event-stream",
  body: Buffer.from(list.map(([name, data]) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`).join("")),
})

const base64 = (text: string) => ({ base64: Buffer.from(text).toString("base64") })

test("run -d starts a command in the background, closes its input and prints its number", async () => {
  api.answers["POST /vms/box/processes"] = { status: 201, body: info }
  api.answers["POST /vms/box/processes/7-5/stdin?end=true"] = { body: { written: 0 } }
  expect(await api.cli(["run", "-d", "box", "make dev"])).toEqual({ exitCode: 0, stdout: "7\n", stderr: "" })
  expect((await api.cli(["run", "box", "--detach", "--json", "make", "dev"])).stdout).toBe(
    '{"success":true,"pid":7}\n',
  )
  expect(api.bodies).toEqual([{ command: "make dev" }, { command: "make dev" }])
  expect(await api.cli(["run", "-d", "--timeout", "5", "box", "make"])).toMatchObject({ exitCode: 2 })
})

test("ps lists processes and what became of them", async () => {
  const exited = { ...info, pid: 8, running: false, exitCode: 2 }
  const killed = { ...info, pid: 9, running: false, signal: "SIGKILL" }
  api.answers["GET /vms/box/processes"] = { body: { processes: [info, exited, killed] } }
  const { exitCode, stdout } = await api.cli(["ps", "box"])

  expect(exitCode).toBe(0)
  expect(stdout.split("\n").map((line) => line.split(/ {2,}/))).toMatchObject([
    ["PID", "STATE", "STARTED", "COMMAND"],
    ["7", "running", info.started_at, "make dev"],
    ["8", "exit 2", info.started_at, "make dev"],
    ["9", "SIGKILL", info.started_at, "make dev"],
    [""],
  ])
  expect(JSON.parse((await api.cli(["ps", "box", "--json"])).stdout)).toMatchObject({
    success: true,
    processes: [info, exited, killed],
  })
})

test("kill sends a signal, by its name with or without SIG", async () => {
  api.answers["POST /vms/box/processes/7-5/signal"] = { body: { message: "Sent" } }
  expect(await api.cli(["kill", "box", "7"])).toEqual({ exitCode: 0, stdout: "Sent\n", stderr: "" })
  await api.cli(["kill", "box", "7", "-s", "int"])
  await api.cli(["kill", "box", "7", "--signal", "SIGKILL"])
  expect(api.bodies).toEqual([{ signal: "SIGTERM" }, { signal: "SIGINT" }, { signal: "SIGKILL" }])
  expect(await api.cli(["kill", "box", "8"])).toMatchObject({ exitCode: 1, stdout: "" })
  expect((await api.cli(["kill", "box", "8"])).stderr).toContain("opensandbox ps")
})

test("logs prints what there is, each stream to its own", async () => {
  api.answers["GET /vms/box/processes/7-5/output?streams=both&follow=false"] = events(
    ["stdout", base64("out\n")],
    ["stderr", base64("err\n")],
    ["skipped", { bytes: 5 }],
    ["replayed", {}],
  )
  expect(await api.cli(["logs", "box", "7"])).toEqual({
    exitCode: 0,
    stdout: "out\n",
    stderr: "err\nopensandbox: 5 bytes came faster than they could be read, and are lost\n",
  })
})

test("logs that follows ends with the process, and says when it can no longer be heard", async () => {
  const both = "GET /vms/box/processes/7-5/output?streams=both&follow=true"
  const none = "GET /vms/box/processes/7-5/output?streams=none&follow=true"
  api.answers[both] = events(["stdout", base64("out\n")], ["exit", { exitCode: 3, signal: null }])
  api.answers[none] = events(["exit", { exitCode: 3, signal: null }])
  expect(await api.cli(["logs", "box", "7", "-f"])).toEqual({ exitCode: 0, stdout: "out\n", stderr: "" })
  api.answers[both] = api.answers[none] = events([
    "error",
    { error: "The sandbox went back.", code: "interrupted" },
  ])
  expect(await api.cli(["logs", "box", "7", "-f"])).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining("The sandbox went back.") as string,
  })
})

test.each(["x", "0", "-1"])("%j is no process", async (pid) => {
  expect(await api.cli(["logs", "box", "--", pid])).toMatchObject({ exitCode: 2 })
})
