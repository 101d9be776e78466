import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import type { Sandbox } from "opensandbox"
import { afterAll, beforeAll, expect, test } from "vitest"
import { eventually } from "../support/eventually.js"
import { succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"

/** 0o50 layers: merged, the newest rests on five multiples of eight. */
const changes = 40
const mergeMs = 60_000

let server: TestServer

beforeAll(async () => {
  server = await TestServer.start()
}, serverStartMs)

afterAll(() => server.dispose())

test("chains stay short however many snapshots there are, and each snapshot keeps its content", async () => {
  const sandbox = await server.create()
  const snapshots: { name: string; content: string }[] = []
  for (let change = 0; change < changes; change++) {
    const result = succeeded(await sandbox.run(`echo ${change} | tee -a log > last; cat log last`))
    snapshots.push({ name: result.snapshot, content: result.stdout })
  }
  await eventually("the chain to be merged", mergeMs, async () => {
    await goBackTo(sandbox, snapshots.at(-1))
    return layersOfItsMachine() <= 8 ? true : undefined
  })
  for (const place of [38, 33, 32, 31, 24, 17, 16, 9, 8, 7, 1, 0]) await goBackTo(sandbox, snapshots[place])
  succeeded(await sandbox.destroy())
  expect(layerFiles()).toEqual([])
})

test("a command that changes nothing gets a snapshot and takes no room", async () => {
  const sandbox = await server.create()
  const { snapshot: changed } = succeeded(await sandbox.run("echo 1 > file"))
  const { snapshot: first } = succeeded(await sandbox.run("cat file"))
  const before = await settledLayerFiles()
  for (let time = 0; time < 5; time++) succeeded(await sandbox.run("ls -la / /etc; cat file"))
  expect(await settledLayerFiles()).toEqual(before)
  const { snapshot: later } = succeeded(await sandbox.run("echo 2 > file"))
  for (const [name, content] of [
    [later, "2\n"],
    [first, "1\n"],
    [changed, "1\n"],
  ] as const) {
    await goBackTo(sandbox, { name, content }, "cat file")
  }
})

async function goBackTo(
  sandbox: Sandbox,
  snapshot: { name: string; content: string } | undefined,
  look = "cat log last",
): Promise<void> {
  if (snapshot === undefined) throw new Error("there is no such snapshot")
  succeeded(await sandbox.restore(snapshot.name))
  expect(succeeded(await sandbox.run(look)).stdout).toBe(snapshot.content)
}

function layerFiles(): string[] {
  return readdirSync(join(server.dataDirectory, "layers")).sort()
}

/** The files once the next layer, which is made in the background, is there. */
function settledLayerFiles(): Promise<string[]> {
  let last = ""
  return eventually("no layer to be in the making", 10_000, () => {
    const files = layerFiles()
    const settled = files.join() === last && files.every((file) => file.endsWith(".qcow2"))
    last = files.join()
    return settled ? files : undefined
  })
}

/** How many layers, the head included, the one machine that runs was started with. */
function layersOfItsMachine(): number {
  const [machine] = server.machines()
  if (machine === undefined) throw new Error("no machine runs")
  const commandLine = readFileSync(`/proc/${machine.pid}/cmdline`, "utf8")
  return commandLine.split("\0").filter((argument) => /"node-name":"l[0-9a-f]{16}"/.test(argument)).length
}
