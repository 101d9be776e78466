import type { Sandbox } from "opensandbox"
import { afterAll, beforeAll, expect, test } from "vitest"
import { eventually } from "../support/eventually.js"
import { killMachine } from "../support/machines.js"
import { matching } from "../support/matchers.js"
import { failed, succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"

/** Room for two machines of 512 MiB with what QEMU itself takes, and not for three. */
const memoryMiB = 1400

const shortage = { code: "unavailable", error: matching(/too little memory.*\d+ MiB.*missing/) }
const patienceMs = 20_000

let server: TestServer

beforeAll(async () => {
  server = await TestServer.start({ env: { OPENSANDBOX_MEMORY_MB: String(memoryMiB) } })
}, serverStartMs)

afterAll(() => server.dispose())

const create = async (name: string): Promise<Sandbox> => succeeded(await server.client().create(name)).sandbox

async function committedMiB(): Promise<number> {
  const response = await fetch(`${server.url}/metrics`, { headers: { "x-api-key": server.apiKey } })
  const bytes = /^opensandbox_memory_committed_bytes (\d+)$/m.exec(await response.text())?.[1]
  return Number(bytes) / 1024 ** 2
}

test(
  "what does not fit into the server's memory is refused, and harms nobody",
  { timeout: 120_000 },
  async () => {
    const first = await create("first")
    const second = await create("second")
    expect(failed(await server.client().create("third"))).toMatchObject(shortage)
    expect(succeeded(await server.client().list()).vms.map(({ name }) => name)).toEqual(["first", "second"])
    expect(server.machines()).toHaveLength(2)

    // A restore replaces a machine, and so needs no room for a second one.
    const { snapshot } = succeeded(await first.run("echo one > file"))
    succeeded(await first.run("rm file"))
    for (let time = 0; time < 3; time += 1) succeeded(await first.restore(snapshot))
    expect(succeeded(await first.run("cat file")).stdout).toBe("one\n")

    // A fork has no machine, and gets none until there is room.
    succeeded(await first.fork("fork"))
    expect(failed(await server.sandbox("fork").run("true"))).toMatchObject(shortage)
    // To look at snapshots takes a machine, too.
    expect(failed(await first.diff("initial"))).toMatchObject(shortage)

    succeeded(await second.destroy())
    expect(succeeded(await server.sandbox("fork").run("cat file")).stdout).toBe("one\n")
    succeeded(await server.sandbox("fork").destroy())

    // A viewer that nobody uses any more goes when its memory is needed.
    succeeded(await first.readAt(snapshot, "file"))
    expect(server.machines()).toHaveLength(2)
    succeeded(await (await create("third")).destroy())
    succeeded(await first.destroy())
    expect(await committedMiB()).toBe(0)
  },
)

test("a machine that ends by itself gives its memory back", { timeout: 120_000 }, async () => {
  await create("a")
  await create("b")
  const [machine] = server.machines()
  if (machine === undefined) throw new Error("no machine runs")
  await killMachine(server.dataDirectory, machine)
  await eventually("the memory of a machine that was killed", patienceMs, async () =>
    (await committedMiB()) < memoryMiB / 2 ? true : undefined,
  )
  await create("c")
  for (const name of ["a", "b", "c"]) succeeded(await server.sandbox(name).destroy())
})

test("machines that outlived their server count for the next one", { timeout: 120_000 }, async () => {
  await create("a")
  await create("b")
  await server.kill()
  await server.restart()
  expect(failed(await server.client().create("c"))).toMatchObject(shortage)
  succeeded(await server.sandbox("a").destroy())
  await create("c")
  for (const name of ["b", "c"]) succeeded(await server.sandbox(name).destroy())
})

test("more memory than the server has for machines is refused at once", async () => {
  expect(failed(await server.client().create("huge", { memory_mb: 2048 }))).toMatchObject({
    code: "invalid_request",
    error: matching(/1024 MiB/),
  })
})
