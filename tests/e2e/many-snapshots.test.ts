import { readFile } from "node:fs/promises"
import type { Sandbox } from "opensandbox"
import { afterAll, beforeAll, expect, inject, test } from "vitest"
import { eventually } from "../support/eventually.js"
import { layerBytes, layerFiles } from "../support/layer-files.js"
import { Random } from "../support/random.js"
import { succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"

const { manySnapshots, retention } = inject("sizes")

/** For each snapshot; a slow machine takes a fifth of it. */
const snapshotMs = 3_000
const visitMs = 10_000

/** How long merging and removing in the background may take. */
const backgroundMs = 120_000

/** What a snapshot of a small change may take on the disk, merging included. */
const snapshotBytes = 300_000

/** Layers beyond what the rules say: the head, the one that is ready to follow it, and some that wait to be merged. */
const spareLayers = 12

interface Taken {
  readonly name: string
  readonly content: string
}

let server: TestServer

beforeAll(async () => {
  server = await TestServer.start()
}, serverStartMs)

afterAll(() => server.dispose())

test(
  "however many snapshots there are, chains stay short, the disk bounded, and each keeps its content",
  { timeout: manySnapshots.changes * snapshotMs + manySnapshots.visits * visitMs + backgroundMs },
  async () => {
    const sandbox = await server.create()
    const { changes } = manySnapshots
    const taken: Taken[] = []
    for (let change = 0; change < changes; change++) taken.push(await takeOne(sandbox, change))
    await eventually("the chain to be merged", backgroundMs, async () => {
      await goBackTo(sandbox, taken.at(-1))
      return (await layersOfItsMachine()) <= longestChain(changes) ? true : undefined
    })
    await eventually("the layers to take little room", backgroundMs, async () =>
      (await layerBytes(server.dataDirectory)) <= changes * snapshotBytes ? true : undefined,
    )
    // A restore deletes what comes after, so from the newest to the oldest.
    for (const place of placesToVisit(changes)) {
      await goBackTo(sandbox, taken[place])
      expect(await layersOfItsMachine()).toBeLessThanOrEqual(longestChain(changes))
    }
    succeeded(await sandbox.destroy())
    await eventually("no layer to be left", backgroundMs, async () =>
      (await layerFiles(server.dataDirectory)).length === 0 ? true : undefined,
    )
  },
)

test(
  "however many snapshots were taken, there are no more files than snapshots are kept",
  { timeout: retention.taken * snapshotMs + retention.kept * visitMs + backgroundMs },
  async () => {
    const sandbox = await server.create()
    succeeded(await sandbox.setRetention({ keep_last: retention.kept }))
    const taken: Taken[] = []
    for (let change = 0; change < retention.taken; change++) {
      taken.push(await takeOne(sandbox, change))
      // What is taken keeps ahead of what is removed in the background, but not by any number.
      if (change % retention.kept === 0) await eventuallyFewLayers()
    }
    await eventuallyFewLayers()
    const kept = taken.slice(-retention.kept)
    const { snapshots } = succeeded(await sandbox.snapshots())
    expect(snapshots.map((snapshot) => snapshot.snapshot_name)).toEqual([
      "initial",
      ...kept.map(({ name }) => name),
    ])
    for (const snapshot of kept.toReversed()) await goBackTo(sandbox, snapshot)
    succeeded(await sandbox.restore("initial"))
    expect(succeeded(await sandbox.run("ls")).stdout).toBe("")
    succeeded(await sandbox.destroy())
  },
)

/** Changes some 100 bytes, and a log of all changes. */
async function takeOne(sandbox: Sandbox, change: number): Promise<Taken> {
  const command = `printf '%0100d' ${change} > last; echo ${change} >> log; ${look}`
  const { snapshot, stdout } = succeeded(await sandbox.run(command))
  return { name: snapshot, content: stdout }
}

const look = "cat last log"

async function goBackTo(sandbox: Sandbox, snapshot: Taken | undefined): Promise<void> {
  if (snapshot === undefined) throw new Error("there is no such snapshot")
  succeeded(await sandbox.restore(snapshot.name))
  expect(succeeded(await sandbox.run(look, { snapshot: false })).stdout).toBe(snapshot.content)
}

/** The first, the last and some random ones between, from the newest to the oldest. */
function placesToVisit(changes: number): number[] {
  const random = new Random(Date.now())
  const places = Array.from({ length: manySnapshots.visits }, () => random.below(changes))
  return [...new Set([0, changes - 1, ...places])].sort((a, b) => b - a)
}

/** For each of so many layers the chain is as long as the sum of its number's digits in base 8; the head comes on top. */
function longestChain(layers: number): number {
  const sumOfDigits = (number: number): number =>
    number === 0 ? 0 : (number % 8) + sumOfDigits(Math.floor(number / 8))
  // A start of the machine may have written a layer too.
  return Math.max(...Array.from({ length: layers + 2 }, (_, number) => sumOfDigits(number))) + 1
}

function eventuallyFewLayers(): Promise<true> {
  return eventually("the layers of deleted snapshots to be gone", backgroundMs, async () =>
    (await layerFiles(server.dataDirectory)).length <= retention.kept + spareLayers ? true : undefined,
  )
}

/** How many layers, the head included, the one machine that runs was started with. */
async function layersOfItsMachine(): Promise<number> {
  // The one that a restore has left may still be giving its memory back.
  const machine = await eventually("one machine to run", backgroundMs, () => {
    const [only, ...others] = server.machines()
    return others.length === 0 ? only : undefined
  })
  const commandLine = await readFile(`/proc/${machine.pid}/cmdline`, "utf8")
  return commandLine.split("\0").filter((argument) => /"node-name":"l[0-9a-f]{16}"/.test(argument)).length
}
