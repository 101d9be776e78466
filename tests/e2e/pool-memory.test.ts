import { afterAll, beforeAll, expect, test } from "vitest"
import { eventually } from "../support/eventually.js"
import { failed, succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"

/** How long a machine takes to be made ready on a host with much else to do. */
const readyMs = 60_000

let server: TestServer

beforeAll(async () => {
  // Room for two machines of 512 MiB with what QEMU itself takes, and not for three.
  const env = { OPENSANDBOX_POOL_SIZE: "2", OPENSANDBOX_MEMORY_MB: "1400" }
  server = await TestServer.start({ env })
}, serverStartMs)

afterAll(() => server.dispose())

function machines(used: number, ready: number): Promise<true> {
  return eventually(`${used} machines in use and ${ready} ready`, readyMs, () =>
    server.machines().length === used && server.warmMachines().length === ready ? true : undefined,
  )
}

test("machines that are ready take only memory that nobody else needs", { timeout: 240_000 }, async () => {
  await machines(0, 2)
  const first = await server.create()
  await machines(1, 1)
  const second = await server.create()
  await machines(2, 0)
  expect(failed(await server.client().create("third"))).toMatchObject({ code: "unavailable" })
  succeeded(await first.restore("initial"))
  expect(succeeded(await first.run("echo went on")).stdout).toBe("went on\n")
  succeeded(await second.destroy())
  await machines(1, 1)
})
