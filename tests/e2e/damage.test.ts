import { copyFile, cp, open, rename, rm, truncate } from "node:fs/promises"
import { join } from "node:path"
import type { Sandbox } from "opensandbox"
import { afterAll, beforeAll, expect, test } from "vitest"
import { exec } from "../support/cli.js"
import { eventually } from "../support/eventually.js"
import { flipBit } from "../support/flip-bit.js"
import { killMachine } from "../support/machines.js"
import { matching } from "../support/matchers.js"
import { allLayersKnown, headOf, layerFile, layerOf } from "../support/recorded-layers.js"
import { failed, succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"

let server: TestServer

beforeAll(async () => {
  server = await TestServer.start()
}, serverStartMs)

afterAll(() => server.dispose())

/** A sandbox whose snapshots hold one number each, and whose layers the server knows. */
async function sandboxWith(changes: number): Promise<{ name: string; snapshots: string[] }> {
  const sandbox = await server.create()
  const snapshots: string[] = []
  for (let change = 0; change < changes; change++)
    snapshots.push(succeeded(await sandbox.run(`echo ${change} > file`)).snapshot)
  await allLayersKnown(server.dataDirectory)
  return { name: sandbox.name, snapshots }
}

function layerAt(sandbox: { name: string; snapshots: string[] }, place: number): string {
  return layerOf(server.dataDirectory, sandbox.name, sandbox.snapshots[place] ?? "")
}

function fileOf(layer: string): string {
  return layerFile(server.dataDirectory, layer)
}

async function damagedSnapshots(name: string): Promise<string[]> {
  const { snapshots } = succeeded(await server.sandbox(name).snapshots())
  return snapshots.filter(({ damaged }) => damaged).map((snapshot) => snapshot.snapshot_name)
}

async function expectContent(sandbox: Sandbox, snapshot: string | undefined, content: string): Promise<void> {
  succeeded(await sandbox.restore(snapshot ?? ""))
  expect(succeeded(await sandbox.run("cat file", { snapshot: false })).stdout).toBe(content)
}

/** What the server logged of damage to a layer. */
function reported(layer: string): boolean {
  return server.output
    .split("\n")
    .some((line) => line.includes('"a layer is damaged') && line.includes(`"layer":"${layer}"`))
}

test.each([
  ["truncated", (path: string) => truncate(path, 100_000)],
  ["changed by one bit", flipBit],
  ["deleted", (path: string) => rm(path)],
])(
  "a layer that is %s under a running server fails what rests on it, and nothing else",
  async (_, damage) => {
    const sandbox = await sandboxWith(5)
    const [, second, third, fourth, fifth] = sandbox.snapshots
    const bystander = await sandboxWith(1)
    const fork = `fork-of-${sandbox.name}`
    succeeded(await server.sandbox(sandbox.name).fork(fork, { snapshot: fourth ?? "" }))
    const layer = layerAt(sandbox, 2)
    await damage(fileOf(layer))

    const refusal = failed(await server.sandbox(sandbox.name).restore(fourth ?? ""))
    expect(refusal).toMatchObject({ code: "damaged", error: matching(new RegExp(layer)) })
    expect(reported(layer)).toBe(true)
    expect(await damagedSnapshots(sandbox.name)).toEqual([third, fourth, fifth])
    expect(await damagedSnapshots(fork)).toEqual([third, fourth])
    expect(await damagedSnapshots(bystander.name)).toEqual([])
    expect(failed(await server.sandbox(fork).run("cat file")).code).toBe("damaged")
    expect(succeeded(await server.sandbox(fork).info()).vm.status).toBe("failed")
    const another = await server.sandbox(sandbox.name).fork("another", { snapshot: third ?? "" })
    expect(failed(another).code).toBe("damaged")

    await expectContent(server.sandbox(fork), second, "1\n")
    await expectContent(server.sandbox(sandbox.name), second, "1\n")
    await expectContent(server.sandbox(bystander.name), bystander.snapshots[0], "0\n")
    expect(await damagedSnapshots(sandbox.name)).toEqual([])
    succeeded(await server.sandbox(sandbox.name).run("echo on > file"))
    for (const name of [sandbox.name, fork, bystander.name]) succeeded(await server.sandbox(name).destroy())
  },
)

test("damage that happened while no server ran is reported by its start, until the file is put back", async () => {
  const [flipped, deleted, whole] = [await sandboxWith(3), await sandboxWith(3), await sandboxWith(3)]
  const layers = [layerAt(flipped, 1), layerAt(deleted, 1)] as const
  await server.stop()
  for (const layer of layers) await copyFile(fileOf(layer), join(server.dataDirectory, `${layer}.backup`))
  await flipBit(fileOf(layers[0]))
  await rm(fileOf(layers[1]))

  await server.restart()
  expect(layers.map(reported)).toEqual([true, true])
  for (const { name, snapshots } of [flipped, deleted]) {
    expect(await damagedSnapshots(name)).toEqual(snapshots.slice(1))
    expect(failed(await server.sandbox(name).run("cat file")).code).toBe("damaged")
    expect(failed(await server.sandbox(name).restore(snapshots[2] ?? "")).code).toBe("damaged")
  }
  expect(await damagedSnapshots(whole.name)).toEqual([])
  await expectContent(server.sandbox(whole.name), whole.snapshots[1], "1\n")

  await server.stop()
  for (const layer of layers) await rename(join(server.dataDirectory, `${layer}.backup`), fileOf(layer))
  await server.restart()
  for (const { name, snapshots } of [flipped, deleted]) {
    expect(await damagedSnapshots(name)).toEqual([])
    expect(succeeded(await server.sandbox(name).run("cat file")).stdout).toBe("2\n")
    await expectContent(server.sandbox(name), snapshots[1], "1\n")
    succeeded(await server.sandbox(name).destroy())
  }
  succeeded(await server.sandbox(whole.name).destroy())
})

test("a copy of the layers has other times and the same content, and is not damaged", async () => {
  const { name, snapshots } = await sandboxWith(3)
  await server.stop()
  const [layers, before] = [join(server.dataDirectory, "layers"), join(server.dataDirectory, "before")]
  await rename(layers, before)
  await cp(before, layers, { recursive: true })
  await rm(before, { recursive: true })
  await server.restart()
  expect(await damagedSnapshots(name)).toEqual([])
  expect(succeeded(await server.sandbox(name).run("cat file")).stdout).toBe("2\n")
  for (const place of [2, 1, 0]) await expectContent(server.sandbox(name), snapshots[place], `${place}\n`)
  succeeded(await server.sandbox(name).destroy())
})

test("damage that shows in no time is found before it is merged into another layer", async () => {
  const sandbox = await sandboxWith(6)
  const layer = layerAt(sandbox, 3)
  const backup = join(server.dataDirectory, "before.qcow2")
  await copyFile(fileOf(layer), backup)
  await exec("touch", ["-r", fileOf(layer), backup])
  await flipBit(fileOf(layer))
  await exec("touch", ["-r", backup, fileOf(layer)])
  for (let change = 6; change < 9; change++)
    succeeded(await server.sandbox(sandbox.name).run(`echo ${change} > file`))
  await eventually("the damage to be found", 60_000, () => (reported(layer) ? true : undefined))
  expect((await damagedSnapshots(sandbox.name)).slice(0, 3)).toEqual(sandbox.snapshots.slice(3))
  await expectContent(server.sandbox(sandbox.name), sandbox.snapshots[2], "2\n")
  succeeded(await server.sandbox(sandbox.name).destroy())
})

test.each([
  ["truncated", (path: string) => truncate(path, 70_000)],
  ["emptied", (path: string) => truncate(path, 0)],
  ["overwritten at its beginning", overwriteBeginning],
])(
  "a head that was %s when everything died is found before a machine uses it, and a restore mends it",
  async (_, damage) => {
    const { name, snapshots } = await sandboxWith(2)
    succeeded(await server.sandbox(name).run("echo lost > file; sync", { snapshot: false }))
    const bystander = await sandboxWith(1)
    await server.kill()
    for (const machine of server.machines()) await killMachine(server.dataDirectory, machine)
    const head = headOf(server.dataDirectory, name)
    await damage(fileOf(head))

    await server.restart()
    expect(reported(head)).toBe(true)
    const box = server.sandbox(name)
    expect(failed(await box.run("cat file"))).toMatchObject({
      code: "damaged",
      error: matching(new RegExp(head)),
    })
    expect(succeeded(await box.info()).vm.status).toBe("failed")
    expect(failed(await box.snapshot()).code).toBe("damaged")
    expect(failed(await box.fork("no-fork")).code).toBe("damaged")
    expect(await damagedSnapshots(name)).toEqual([])
    // It is not forgotten by a start that has no reason of its own to look.
    await server.restart()
    expect(failed(await server.sandbox(name).run("cat file")).code).toBe("damaged")
    expect(succeeded(await server.sandbox(bystander.name).run("cat file")).stdout).toBe("0\n")

    await expectContent(server.sandbox(name), snapshots[1], "1\n")
    expect(succeeded(await server.sandbox(name).info()).vm.status).toBe("running")
    for (const sandbox of [name, bystander.name]) succeeded(await server.sandbox(sandbox).destroy())
  },
)

/** Writes over a qcow2 file's header and the tables after it. */
async function overwriteBeginning(path: string): Promise<void> {
  const file = await open(path, "r+")
  try {
    await file.write(Buffer.alloc(80_000, "garbage"), 0, 80_000, 0)
  } finally {
    await file.close()
  }
}
