import { createHash } from "node:crypto"
import fc from "fast-check"
import type { Sandbox } from "opensandbox"
import { afterAll, beforeAll, expect, test } from "vitest"
import { succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"
import { change, listCommand, listing, type Change, type FileTree } from "./file-tree.js"

/** Sandboxes that are driven, and steps that each of them takes: more than two hundred together. */
const runs = 4
const stepsPerRun = 55
const runMs = 600_000

type Step = { kind: "run"; change: Change } | { kind: "restore"; pick: number } | { kind: "wipe" }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 16, arbitrary: change.map((made): Step => ({ kind: "run", change: made })) },
  { weight: 3, arbitrary: fc.nat().map((pick): Step => ({ kind: "restore", pick })) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: "wipe" }) },
)

/** What a sandbox should be: the tree now, and the tree at each snapshot. */
class Model {
  tree: FileTree = new Map()
  snapshots: { name: string; tree: FileTree }[] = [{ name: "initial", tree: new Map() }]
}

let server: TestServer

beforeAll(async () => {
  server = await TestServer.start()
}, serverStartMs)

afterAll(() => server.dispose())

test(
  "a sandbox and a simple model of its files agree after each of many random commands, restores and wipes",
  async () => {
    let steps = 0
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: stepsPerRun, maxLength: stepsPerRun }), async (plan) => {
        const sandbox = await server.create()
        const model = new Model()
        for (const next of plan) {
          await take(next, sandbox, model)
          await compareSnapshots(sandbox, model)
          steps += 1
        }
        succeeded(await sandbox.destroy())
      }),
      // A failing plan is shown whole: making it shorter would take as long as hundreds of runs.
      { numRuns: runs, endOnFailure: true },
    )
    expect(steps).toBeGreaterThanOrEqual(200)
  },
  runMs,
)

async function take(next: Step, sandbox: Sandbox, model: Model): Promise<void> {
  switch (next.kind) {
    case "run": {
      // One command changes and looks, because each command is a machine's time.
      const { command, exitCode } = next.change
      const result = succeeded(await sandbox.run(`${command}; code=$?; ${listCommand}; exit $code`))
      model.tree = next.change.apply(model.tree)
      expect(result).toMatchObject({ stdout: listing(model.tree, sha256), stderr: "", exitCode })
      model.snapshots.push({ name: result.snapshot, tree: model.tree })
      return
    }
    case "restore": {
      const at = next.pick % model.snapshots.length
      const target = model.snapshots[at]
      if (target === undefined) throw new Error("the model has no snapshot")
      succeeded(await sandbox.restore(target.name))
      model.snapshots = model.snapshots.slice(0, at + 1)
      model.tree = target.tree
      return look(sandbox, model)
    }
    case "wipe":
      succeeded(await sandbox.wipe())
      model.tree = new Map()
      return look(sandbox, model)
  }
}

/** Looking is a command too, so it has a snapshot, which the model must know. */
async function look(sandbox: Sandbox, model: Model): Promise<void> {
  const seen = succeeded(await sandbox.run(listCommand))
  expect(seen.stdout).toBe(listing(model.tree, sha256))
  model.snapshots.push({ name: seen.snapshot, tree: model.tree })
}

async function compareSnapshots(sandbox: Sandbox, model: Model): Promise<void> {
  const { snapshots } = succeeded(await sandbox.snapshots())
  expect(snapshots.map((snapshot) => snapshot.snapshot_name)).toEqual(model.snapshots.map(({ name }) => name))
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex")
}
