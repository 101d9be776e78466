import { readdir } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import type { Sandbox } from "opensandbox"
import { afterAll, beforeAll, expect, inject, test } from "vitest"
import { eventually } from "../support/eventually.js"
import { killMachine } from "../support/machines.js"
import { Random } from "../support/random.js"
import { succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"
import { hashCommand } from "../support/workspace.js"
import { Ledger } from "./ledger.js"

/** How often the server is killed, each time at another moment of another request. */
const { kills } = inject("sizes").chaos
const longestLifeMs = 1500
/** For each kill; a slow machine takes a fifth of it. */
const lifeMs = 30_000

let server: TestServer

beforeAll(async () => {
  server = await TestServer.start()
}, serverStartMs)

afterAll(() => server.dispose())

test(
  "whenever the server is killed, every acknowledged snapshot is there and restores to exactly its content",
  { timeout: kills * lifeMs },
  async () => {
    const seed = Date.now()
    try {
      await survive(new Random(seed))
    } catch (error) {
      throw new Error(`with the seed ${seed}; the server said:\n${server.output}`, { cause: error })
    }
  },
)

async function survive(random: Random): Promise<void> {
  const ledgers = new Map<string, Ledger>()
  for (const name of ["one", "two"]) {
    const { sandbox } = succeeded(await server.client().create(name))
    const { stdout, snapshot } = succeeded(await sandbox.run(hashCommand))
    const ledger = new Ledger({ name: "initial", hash: stdout })
    ledger.ran({ name: snapshot, hash: stdout })
    ledgers.set(name, ledger)
  }
  for (let round = 0; round < kills; round++) {
    const lives = [...ledgers].map(([name, ledger]) => live(server.sandbox(name), ledger, random))
    await setTimeout(random.below(longestLifeMs))
    await server.kill()
    await Promise.all(lives)
    if (random.next() < 0.2) await loseMachines()
    await server.restart()
    for (const [name, ledger] of ledgers) {
      ledger.reconcile(await listed(name))
      await goBackTo(name, ledger, random.below(ledger.entries.length))
    }
  }
  for (const [name, ledger] of ledgers) {
    for (let place = ledger.entries.length - 1; place >= 0; place--) await goBackTo(name, ledger, place)
  }
  await leaveNothing([...ledgers.keys()])
}

/** Uses a sandbox in random ways until the server dies, and keeps account of what was acknowledged. */
async function live(sandbox: Sandbox, ledger: Ledger, random: Random): Promise<void> {
  for (;;) {
    const what = random.next()
    if (what < 0.8) {
      ledger.beginRun()
      const result = await sandbox.run(`${mess(random)}; ${hashCommand}`)
      if (!result.success) return
      ledger.ran({ name: result.snapshot, hash: result.stdout })
    } else if (what < 0.95) {
      const { name } = random.pick(ledger.entries)
      ledger.beginRestore(name)
      if (!(await sandbox.restore(name)).success) return
      ledger.restored()
    } else if (!(await sandbox.wipe()).success) return
  }
}

/** A command that changes several files. */
function mess(random: Random): string {
  const [directory, file, text] = [random.below(4), random.below(8), random.below(1e9)]
  return [
    `mkdir -p d${directory}`,
    `echo ${text} >> d${directory}/f${file}`,
    `head -c ${random.below(200_000)} /dev/urandom > d${directory}/blob`,
    `rm -rf d${random.below(4)}/f${random.below(8)}`,
  ].join("; ")
}

async function listed(name: string): Promise<string[]> {
  const { snapshots } = succeeded(await server.sandbox(name).snapshots())
  return snapshots.map((snapshot) => snapshot.snapshot_name)
}

/** Restores the snapshot at a place of the ledger and compares what it holds with what was promised. */
async function goBackTo(name: string, ledger: Ledger, place: number): Promise<void> {
  const target = ledger.entries[place]
  if (target === undefined) throw new Error(`there is no snapshot at ${place}`)
  ledger.beginRestore(target.name)
  succeeded(await server.sandbox(name).restore(target.name))
  ledger.restored()
  const { stdout, snapshot } = succeeded(await server.sandbox(name).run(hashCommand))
  if (target.hash !== undefined) expect(stdout, `the content of ${target.name}`).toBe(target.hash)
  ledger.ran({ name: snapshot, hash: stdout })
}

async function loseMachines(): Promise<void> {
  for (const machine of server.machines()) await killMachine(server.dataDirectory, machine)
}

/** Destroys the sandboxes: whatever was half made when the server died must not outlive them. */
async function leaveNothing(names: string[]): Promise<void> {
  for (const name of names) succeeded(await server.sandbox(name).destroy())
  expect(server.machines()).toEqual([])
  for (const directory of ["layers", "machines"]) {
    await eventually(`nothing to be left in ${directory}`, 5_000, async () =>
      (await readdir(join(server.dataDirectory, directory))).length === 0 ? true : undefined,
    )
  }
}
