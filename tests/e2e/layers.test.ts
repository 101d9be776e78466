import { afterAll, beforeAll, expect, test } from "vitest"
import { eventually } from "../support/eventually.js"
import { layerFiles } from "../support/layer-files.js"
import { succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"

const mergeMs = 60_000

let server: TestServer

beforeAll(async () => {
  server = await TestServer.start()
}, serverStartMs)

afterAll(() => server.dispose())

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
    succeeded(await sandbox.restore(name))
    expect(succeeded(await sandbox.run("cat file")).stdout).toBe(content)
  }
})

test("layers, and their merging in the background, show in the metrics", async () => {
  const sandbox = await server.create()
  for (let change = 0; change < 9; change++) succeeded(await sandbox.run(`echo ${change} > file`))
  await eventually("a merge to be counted", mergeMs, async () =>
    (await metric('compactions_total{reason="depth",outcome="done"}')) > 0 ? true : undefined,
  )
  expect(await metric("compaction_written_bytes_total")).toBeGreaterThan(0)
  expect(await metric("compaction_duration_seconds_count")).toBeGreaterThan(0)
  expect(await metric("layers")).toBeGreaterThan(9)
  expect(await metric("layer_bytes")).toBeGreaterThan(9 * 12_288)
  expect(await metric("damaged_layers")).toBe(0)
})

/** The value of one of the server's metrics, by its name and labels. */
async function metric(name: string): Promise<number> {
  const response = await fetch(`${server.url}/metrics`, { headers: { "x-api-key": server.apiKey } })
  const line = (await response.text()).split("\n").find((line) => line.startsWith(`opensandbox_${name} `))
  if (line === undefined) throw new Error(`there is no metric ${name}`)
  return Number(line.split(" ").at(-1))
}

/** The files once the next layer, which is made in the background, is there. */
function settledLayerFiles(): Promise<string[]> {
  let last = ""
  return eventually("no layer to be in the making", 10_000, async () => {
    const files = await layerFiles(server.dataDirectory)
    const settled = files.join() === last && files.every((file) => file.endsWith(".qcow2"))
    last = files.join()
    return settled ? files : undefined
  })
}
