import fc from "fast-check"
import { afterAll, beforeAll, expect, test } from "vitest"
import { succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"
import { change, type FileTree } from "./file-tree.js"

/** Sandboxes that are driven, commands that each of them runs, and pairs of their snapshots that are compared. */
const runs = 3
const commandsPerRun = 25
const pairsPerRun = 8
const runMs = 300_000

let server: TestServer

beforeAll(async () => {
  server = await TestServer.start()
}, serverStartMs)

afterAll(() => server.dispose())

test(
  "the difference of any two snapshots is that of a simple model of their files",
  async () => {
    const commands = fc.array(change, { minLength: commandsPerRun, maxLength: commandsPerRun })
    const place = fc.nat({ max: commandsPerRun })
    const pairs = fc.array(fc.tuple(place, place), { minLength: pairsPerRun, maxLength: pairsPerRun })
    await fc.assert(
      fc.asyncProperty(commands, pairs, async (made, compared) => {
        const sandbox = await server.create()
        const history: { name: string; tree: FileTree }[] = [{ name: "initial", tree: new Map() }]
        for (const next of made) {
          const { snapshot } = succeeded(await sandbox.run(next.command))
          history.push({ name: snapshot, tree: next.apply(history.at(-1)?.tree ?? new Map()) })
        }
        for (const [at, other] of compared) {
          const [from, to] = [history[at], history[other]]
          if (from === undefined || to === undefined)
            throw new Error("there are fewer snapshots than commands")
          const { changes } = succeeded(await sandbox.diff(from.name, to.name))
          expect(changes).toEqual(differences(from.tree, to.tree))
        }
        succeeded(await sandbox.destroy())
      }),
      // A failing plan is shown whole: making it shorter would take as long as hundreds of runs.
      { numRuns: runs, endOnFailure: true },
    )
  },
  runMs,
)

function differences(from: FileTree, to: FileTree): unknown[] {
  const types = { d: "directory", f: "file", l: "symlink" } as const
  const size = (entry: ReturnType<FileTree["get"]>) =>
    entry?.type === "f" ? Buffer.byteLength(entry.content) : null
  return [...new Set([...from.keys(), ...to.keys()])]
    .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .map((path) => ({ path, before: from.get(path), after: to.get(path) }))
    .filter(({ before, after }) => JSON.stringify(before) !== JSON.stringify(after))
    .map(({ path, before, after }) => ({
      path: `/workspace/${path}`,
      change: before === undefined ? "added" : after === undefined ? "removed" : "changed",
      type: types[(after ?? before)?.type ?? "f"],
      size: size(after),
      previous_size: size(before),
    }))
}
