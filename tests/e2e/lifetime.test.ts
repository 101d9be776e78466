import { afterAll, beforeAll, expect, test } from "vitest"
import { eventually } from "../support/eventually.js"
import { failed, succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"

const deadlineMs = 60_000

let server: TestServer

beforeAll(async () => {
  server = await TestServer.start()
}, serverStartMs)

afterAll(() => server.dispose())

const expiryOf = async (name: string) => succeeded(await server.sandbox(name).info()).vm.expires_at

/** Waits until a sandbox is destroyed. */
async function gone(name: string): Promise<void> {
  await eventually(`${name} to be destroyed`, deadlineMs, async () => {
    const info = await server.sandbox(name).info()
    return !info.success && info.code === "not_found" ? true : undefined
  })
}

test("a sandbox whose time is over is destroyed, whatever it does", async () => {
  const sandbox = await server.create()
  const running = sandbox.run("sleep 1000", 1000)
  const { vm } = succeeded(await sandbox.setLifetime({ ttl: 1 }))
  expect(Date.parse(vm.expires_at ?? "")).toBeGreaterThan(Date.parse(vm.created_at))
  await gone(sandbox.name)
  expect(["interrupted", "not_found"]).toContain(failed(await running).code)
})

test("one whose time was over while no server ran is destroyed at the next start", async () => {
  succeeded(await server.client().create("left", { ttl: 86_400 }))
  const before = await expiryOf("left")
  await server.restart()
  expect(await expiryOf("left")).toBe(before)
  succeeded(await server.sandbox("left").setLifetime({ ttl: 1 }))
  await server.kill()
  await server.restart()
  await gone("left")
})

test("a sandbox may get more time, or live for ever, and its forks do", async () => {
  const { sandbox } = succeeded(await server.client().create("spared", { ttl: 86_400 }))
  const before = Date.parse((await expiryOf("spared")) ?? "")
  const { vm } = succeeded(await sandbox.setLifetime({ ttl: 2 * 86_400 }))
  expect(Date.parse(vm.expires_at ?? "")).toBeGreaterThan(before)
  succeeded(await sandbox.fork("fork"))
  expect(await expiryOf("fork")).toBeNull()
  expect(succeeded(await sandbox.setLifetime({ ttl: null })).vm.expires_at).toBeNull()
})
