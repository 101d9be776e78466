import type { Sandbox } from "opensandbox"
import type { Benchmark } from "../benchmark.js"
import { expectSuccess } from "../expect-success.js"
import type { Measurement } from "../measurement.js"
import { elapsed, repeat } from "../repetition.js"

/** The one that every sandbox is born with, and one for each file that is written. */
const snapshotCount = 20

const firstSnapshot = "initial"

interface Place {
  readonly name: string
  /** How many files the snapshot holds. */
  readonly files: number
}

const places: Place[] = [
  { name: "first", files: 0 },
  { name: "middle", files: 10 },
  { name: "last", files: snapshotCount - 1 },
]

interface Restored {
  readonly restore: number
  readonly command: number
}

export const restore: Benchmark = {
  title: "the way back to a snapshot",
  measure: async ({ client }) => {
    const { sandbox } = expectSuccess(await client.create("restore"))
    const restored = new Map(places.map((place) => [place, [] as Restored[]]))
    // In turns, so that a noisy minute of the host falls on all of them.
    await repeat({ warmUp: 0, count: 10 }, async () => {
      for (const place of places) restored.get(place)?.push(await restoreTo(sandbox, place))
    })
    expectSuccess(await sandbox.destroy())
    return places.flatMap((place) => measurements(place, restored.get(place) ?? []))
  },
}

async function restoreTo(sandbox: Sandbox, { files }: Place): Promise<Restored> {
  const snapshots = await filledUp(sandbox)
  const target = snapshots[files] ?? ""
  const restoring = await elapsed(async () => expectSuccess(await sandbox.restore(target)))
  let stdout = ""
  const command = await elapsed(async () => {
    stdout = expectSuccess(await sandbox.run("ls | wc -l")).stdout
  })
  if (Number(stdout) !== files)
    throw new Error(`the restore brought back ${stdout.trim()} files, not ${files}`)
  // The question's own snapshot is not one of those that hold one more file each.
  expectSuccess(await sandbox.restore(target))
  return { restore: restoring, command }
}

/** Adds files until there are as many snapshots as wanted. @returns their names, oldest first. */
async function filledUp(sandbox: Sandbox): Promise<string[]> {
  const names = expectSuccess(await sandbox.snapshots()).snapshots.map((snapshot) => snapshot.snapshot_name)
  if (names[0] !== firstSnapshot) throw new Error(`the first snapshot is "${names[0] ?? ""}"`)
  while (names.length < snapshotCount) {
    const file = await sandbox.run(`head -c 100000 /dev/urandom > file-${names.length}`)
    names.push(expectSuccess(file).snapshot)
  }
  return names
}

function measurements({ name }: Place, restored: Restored[]): Measurement[] {
  const values = restored.map(({ restore }) => restore)
  const commands = restored.map(({ command }) => command)
  return [
    { what: `restore() to the ${name} of ${snapshotCount} snapshots`, unit: "ms", values, target: 350 },
    { what: "- the first command after it", unit: "ms", values: commands },
  ]
}
