import { afterAll, beforeAll, expect, test } from "vitest"
import { eventually } from "../support/eventually.js"
import { succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"

let server: TestServer

beforeAll(async () => {
  server = await TestServer.start()
}, serverStartMs)

afterAll(() => server.dispose())

test("a restarted server takes up the machines that run, with their processes", async () => {
  const { name } = await server.create()
  const started =
    "nohup sh -c 'i=0; while :; do i=$((i+1)); echo $i > /tmp/count; sleep 0.1; done' >/dev/null 2>&1 &"
  succeeded(await server.sandbox(name).run(started))
  const before = server.machines()
  await server.kill()
  await server.restart()
  expect(server.machines()).toEqual(before)
  const count = async () => Number(succeeded(await server.sandbox(name).run("cat /tmp/count")).stdout)
  const first = await count()
  await eventually("the counter to go on", 20_000, async () => ((await count()) > first ? true : undefined))
  expect(succeeded(await server.sandbox(name).info()).vm).toMatchObject({
    status: "running",
    agentHealthy: true,
  })
})

test("a command that was under way when the server died is not left running", async () => {
  const { name } = await server.create()
  const lost = server.sandbox(name).run("touch /tmp/begun; sleep 54321")
  await eventually("the command to begin", 20_000, async () =>
    succeeded(await server.sandbox(name).run("test -e /tmp/begun")).exitCode === 0 ? true : undefined,
  )
  await server.kill()
  expect((await lost).success).toBe(false)
  await server.restart()
  const { stdout } = succeeded(await server.sandbox(name).run("pgrep -fx 'sleep 54321'; true"))
  expect(stdout).toBe("")
})
