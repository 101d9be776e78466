import { afterAll, beforeAll, expect, test } from "vitest"
import { eventually } from "../support/eventually.js"
import { killMachine } from "../support/machines.js"
import { monitor } from "../support/monitor.js"
import { succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"

let server: TestServer

beforeAll(async () => {
  server = await TestServer.start()
}, serverStartMs)

afterAll(() => server.dispose())

/**
 * Brings a sandbox to where a server leaves it that dies between the sealing of a layer and its recording: the machine
 * writes to the layer that was made ready, and the database does not know. The server is dead then.
 */
async function halfTakenSnapshot(): Promise<{ name: string; acknowledged: string }> {
  const { name } = await server.create()
  const loop = "i=0; while :; do i=$((i+1)); echo $i > new; mv new count; sync; sleep 0.05; done"
  const run = `echo kept > file; nohup sh -c '${loop}' >/dev/null 2>&1 &`
  const { snapshot } = succeeded(await server.sandbox(name).run(run))
  const { head, ready } = await eventually("a layer to be ready when the server dies", 60_000, async () => {
    await server.kill()
    const layers = await writableLayers()
    if (layers !== undefined) return layers
    await server.restart()
    return undefined
  })
  await ask({ execute: "blockdev-snapshot", arguments: { node: head, overlay: ready } })
  const before = await writes()
  await eventually("the counter to write to the new layer", 60_000, async () =>
    (await writes()) > before + 50 ? true : undefined,
  )
  return { name, acknowledged: snapshot }
}

async function ask(command: Parameters<typeof monitor>[2][number]): Promise<unknown> {
  const [machine] = server.machines()
  if (machine === undefined) throw new Error("no machine runs")
  const [answer] = await monitor(server.dataDirectory, machine, [command])
  return answer
}

/** The head, and the layer that was made ready to follow it; undefined when none is. */
async function writableLayers(): Promise<{ head: string; ready: string } | undefined> {
  const disks = (await ask({ execute: "query-block" })) as {
    qdev: string
    inserted: { "node-name": string }
  }[]
  const head = disks.find(({ qdev }) => qdev.includes("vdb"))?.inserted["node-name"] ?? ""
  const nodes = (await ask({ execute: "query-named-block-nodes", arguments: { flat: true } })) as {
    "node-name": string
    ro: boolean
  }[]
  const ready = nodes.find(
    (node) => /^l[0-9a-f]{16}$/.test(node["node-name"]) && !node.ro && node["node-name"] !== head,
  )
  return ready && { head, ready: ready["node-name"] }
}

async function writes(): Promise<number> {
  const disks = (await ask({ execute: "query-blockstats" })) as {
    qdev: string
    stats: { wr_operations: number }
  }[]
  return disks.find(({ qdev }) => qdev.includes("vdb"))?.stats.wr_operations ?? 0
}

async function count(name: string): Promise<number> {
  return Number(succeeded(await server.sandbox(name).run("cat count")).stdout)
}

test("a server that died in the middle of a snapshot takes the machine up on the layer that it writes to", async () => {
  const { name, acknowledged } = await halfTakenSnapshot()
  await server.restart()
  const first = await count(name)
  expect(first).toBeGreaterThan(5)
  expect(await count(name)).toBeGreaterThanOrEqual(first)
  succeeded(await server.sandbox(name).restore(acknowledged))
  expect(succeeded(await server.sandbox(name).run("cat file; pgrep -f count")).stdout).toBe("kept\n")
  succeeded(await server.sandbox(name).destroy())
})

test("when the machine died as well, its next start finds what it had synced to that layer", async () => {
  const { name, acknowledged } = await halfTakenSnapshot()
  for (const machine of server.machines()) await killMachine(server.dataDirectory, machine)
  await server.restart()
  const last = await count(name)
  expect(last).toBeGreaterThan(5)
  succeeded(await server.sandbox(name).restore(acknowledged))
  expect(succeeded(await server.sandbox(name).run("cat file")).stdout).toBe("kept\n")
  expect(await count(name)).toBeLessThan(last)
  succeeded(await server.sandbox(name).destroy())
})
