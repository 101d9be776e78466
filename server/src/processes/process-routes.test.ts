import { afterEach, beforeEach, expect, it } from "vitest"
import { Failure } from "../failure.js"
import type { FakeProcesses } from "../testing/fake-processes.js"
import { createTestServer, type TestServer } from "../testing/test-server.js"

let server: TestServer
let processes: FakeProcesses

beforeEach(async () => {
  server = await createTestServer()
  await send("POST", "/vms", { name: "box" })
  processes = server.sandboxes.background
})
afterEach(() => server.close())

async function send(method: string, path: string, body?: unknown, key = server.keys.user) {
  const text = typeof body === "string" ? body : body === undefined ? undefined : JSON.stringify(body)
  return server.app.request(
    path,
    { method, headers: { "x-api-key": key }, ...(text !== undefined && { body: text }) },
    {},
  )
}

async function answer(method: string, path: string, body?: unknown) {
  const response = await send(method, path, body)
  return { status: response.status, body: (await response.json()) as unknown }
}

const bytes = (text: string) => new Uint8Array(Buffer.from(text))

it("starts a process, and shows and lists it", async () => {
  const request = { command: "make dev", cwd: "app", env: { PORT: "1" }, pty: { cols: 80, rows: 24 } }
  const started = await answer("POST", "/vms/box/processes", request)

  expect(started).toMatchObject({ status: 201, body: { pid: 7, command: "make dev", running: true } })
  expect(processes.asked).toEqual([request])
  expect((await answer("GET", "/vms/box/processes")).body).toEqual({ processes: [started.body] })
  for (const name of ["7", "7-1893456000000"]) {
    expect((await answer("GET", `/vms/box/processes/${name}`)).body).toEqual(started.body)
  }
})

it("sends signals and sizes", async () => {
  expect(await answer("POST", "/vms/box/processes/7/signal")).toMatchObject({ status: 200 })
  expect(await answer("POST", "/vms/box/processes/7/signal", { signal: "SIGKILL" })).toMatchObject({
    status: 200,
  })
  expect(await answer("POST", "/vms/box/processes/7/resize", { cols: 3, rows: 2 })).toMatchObject({
    status: 200,
  })
  expect(processes.asked).toEqual(["SIGTERM", "SIGKILL", { cols: 3, rows: 2 }])
})

it("says how much of the input was taken", async () => {
  expect(await answer("POST", "/vms/box/processes/7/stdin?end=true", "all of it")).toMatchObject({
    body: { written: 9 },
  })
  processes.appetite = 3
  expect(await answer("POST", "/vms/box/processes/7/stdin", "all of it")).toMatchObject({
    body: { written: 3 },
  })
  expect(processes.asked).toEqual([
    { taken: "all of it", end: true },
    { taken: "all", end: false },
  ])
})

it("sends output as events that can be gone on after, and the end as the last", async () => {
  processes.pieces = [
    { kind: "stdout", bytes: bytes("out"), next: 3 },
    { kind: "skipped", count: 5, next: 8 },
    { kind: "stderr", bytes: bytes("\xff"), next: 10 },
  ]
  processes.end({ exitCode: null, signal: "SIGKILL" })
  const response = await send("GET", "/vms/box/processes/7/output?offset=0&streams=both&follow=false")

  expect(response.headers.get("content-type")).toBe("text/event-stream")
  expect(await response.text()).toBe(
    ": running\n\n" +
      'id: 3\nevent: stdout\ndata: {"base64":"b3V0"}\n\n' +
      'id: 8\nevent: skipped\ndata: {"bytes":5}\n\n' +
      'id: 10\nevent: stderr\ndata: {"base64":"w78="}\n\n' +
      'event: exit\ndata: {"exitCode":null,"signal":"SIGKILL"}\n\n',
  )
  expect(processes.asked).toEqual([{ offset: 0, streams: "both", follow: false }])
})

it("goes on after the last event that a client names, whatever its first request was", async () => {
  const read = (path: string, lastEvent: string) =>
    server.app.request(
      `/vms/box/processes/7/output${path}`,
      { headers: { "x-api-key": server.keys.user, "Last-Event-ID": lastEvent } },
      {},
    )
  processes.end({ exitCode: 0, signal: null })
  for (const path of ["", "?offset=0"]) await (await read(path, "120")).text()
  const request = { offset: 120, streams: "both", follow: true }
  expect(processes.asked).toEqual([request, request])

  const refused = await read("", "twelve")
  expect([refused.status, await refused.json()]).toMatchObject([400, { field: "last-event-id" }])
})

it("says that a process goes on which was not followed", async () => {
  processes.end(undefined)
  const response = await send("GET", "/vms/box/processes/7/output?follow=false")

  expect(await response.text()).toBe(": running\n\nevent: replayed\ndata: {}\n\n")
})

it("ends with the error when the process cannot be heard any more", async () => {
  processes.breakOff(new Failure("interrupted", "The sandbox went back."))
  const response = await send("GET", "/vms/box/processes/7/output")

  expect(await response.text()).toContain(
    'event: error\ndata: {"error":"The sandbox went back.","code":"interrupted"}\n\n',
  )
})

it("reads no more than a client takes, and stops when it is gone", async () => {
  processes.pieces = Array.from({ length: 100 }, (_, n) => ({
    kind: "stdout" as const,
    bytes: new Uint8Array(1000),
    next: 1000 * (n + 1),
  }))
  const response = await send("GET", "/vms/box/processes/7/output")
  const reader = response.body?.getReader()
  await reader?.read()
  await reader?.read()
  await expect.poll(() => processes.taken).toBeGreaterThan(0)
  expect(processes.taken).toBeLessThan(5)
  expect(processes.readers).toBe(1)
  await reader?.cancel()
  await expect.poll(() => processes.readers).toBe(0)
})

it("ends the output when the server stops", async () => {
  const response = await send("GET", "/vms/box/processes/7/output")
  void server.inFlight.stop(0)

  expect(await response.text()).toContain('"code":"unavailable"')
  expect(processes.readers).toBe(0)
})

it.each([
  ["GET", "/vms/box/processes/8"],
  ["GET", "/vms/box/processes/7-1"],
  ["POST", "/vms/box/processes/7-1/signal"],
  ["GET", "/vms/box/processes/8/output"],
  ["POST", "/vms/box/processes/8/signal"],
  ["GET", "/vms/other/processes"],
])("finds nothing at %s %s", async (method, path) => {
  expect(await answer(method, path)).toMatchObject({ status: 404, body: { code: "not_found" } })
})

it("shows nobody the processes of another", async () => {
  const response = await send("GET", "/vms/box/processes", undefined, server.keys.other)

  expect(response.status).toBe(404)
})

it.each([
  ["command", "/vms/box/processes", { command: "" }],
  ["cwd", "/vms/box/processes", { command: "ls", cwd: "" }],
  ["env.A=B", "/vms/box/processes", { command: "ls", env: { "A=B": "x" } }],
  ["env.A", "/vms/box/processes", { command: "ls", env: { A: "\0" } }],
  ["pty.cols", "/vms/box/processes", { command: "ls", pty: { cols: 0, rows: 1 } }],
  ["process", "/vms/box/processes/x/signal", {}],
  ["signal", "/vms/box/processes/7/signal", { signal: "TERM" }],
  ["rows", "/vms/box/processes/7/resize", { cols: 1, rows: 65_536 }],
])("refuses what breaks a rule by the name of %s", async (field, path, body) => {
  expect(await answer("POST", path, body)).toMatchObject({ status: 400, body: { field } })
})

it.each(["offset=-1", "offset=1e3", "streams=all", "follow=1"])("refuses the query %s", async (query) => {
  expect(await answer("GET", `/vms/box/processes/7/output?${query}`)).toMatchObject({
    status: 400,
    body: { field: query.split("=")[0] },
  })
})
