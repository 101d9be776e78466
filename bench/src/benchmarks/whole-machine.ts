import type { Client, Sandbox } from "opensandbox"
import type { Benchmark } from "../benchmark.js"
import { expectSuccess } from "../expect-success.js"
import { median, type Measurement } from "../measurement.js"
import { elapsed, repeat } from "../repetition.js"
import type { ServerMetrics } from "../server-metrics.js"

/** Commands that the guest ran before: it has touched as many pages as one that is in use. */
const commandsBefore = 20
const forks = 20

const kilobyte = 1_000

export const wholeMachine: Benchmark = {
  title: "snapshots of the whole machine",
  measure: async (bench) => {
    const { sandbox } = expectSuccess(await bench.client.create("whole"))
    for (let number = 0; number < commandsBefore; number++)
      expectSuccess(await sandbox.run(`echo ${number} > file; ls -l | sort | head`))
    const first = await snapshotBytes(sandbox)
    const taken = await repeat({ warmUp: 1, count: 20 }, () => takeOnce(bench.metrics, sandbox))
    const restored = await measureRestores(sandbox)
    const forked = await repeat({ warmUp: 1, count: 5 }, () => forkOnce(bench.client, sandbox))
    expectSuccess(await sandbox.destroy())
    return [
      { what: "the guest stands still", unit: "ms", values: taken.map(({ paused }) => paused), target: 20 },
      { what: "snapshot() of the whole machine", unit: "ms", values: taken.map(({ whole }) => whole) },
      { what: "the first one's size", unit: "KB", values: [first / kilobyte] },
      { what: "one's size after `true`", unit: "KB", values: taken.map(({ bytes }) => bytes / kilobyte) },
      {
        what: "- its median against that of the first",
        unit: "x",
        values: [median(taken.map(({ bytes }) => bytes)) / first],
        target: 0.25,
      },
      ...restored,
      {
        what: `${forks} live forks, until all have answered what runs in them`,
        unit: "ms",
        values: forked.map(({ answered }) => answered),
        target: 5_000,
      },
      {
        what: "- until each has run a first command",
        unit: "ms",
        values: forked.map(({ used }) => used),
      },
    ]
  },
}

/** Takes one. @returns what it added on the disk. */
async function snapshotBytes(sandbox: Sandbox): Promise<number> {
  return expectSuccess(await sandbox.snapshot(undefined, { memory: true })).snapshot.bytes
}

async function takeOnce(metrics: ServerMetrics, sandbox: Sandbox) {
  expectSuccess(await sandbox.run("true", { snapshot: false }))
  const pauses = "opensandbox_machine_snapshot_pause_seconds_sum"
  const before = (await metrics.read(pauses))[pauses]
  const start = performance.now()
  const bytes = await snapshotBytes(sandbox)
  const whole = performance.now() - start
  return { bytes, whole, paused: ((await metrics.read(pauses))[pauses] - before) * 1000 }
}

/** The way back to a snapshot of the disk and to one of the whole machine, in turns, so that noise falls on both. */
async function measureRestores(sandbox: Sandbox): Promise<Measurement[]> {
  const disks: string[] = []
  const wholes: string[] = []
  const count = 10
  for (let number = 0; number <= count; number++) {
    disks.push(expectSuccess(await sandbox.run("echo more >> file")).snapshot)
    wholes.push(expectSuccess(await sandbox.snapshot(undefined, { memory: true })).snapshot.snapshot_name)
  }
  // From the last to the first: a restore deletes what comes after.
  const pairs = await repeat({ warmUp: 1, count }, async () => ({
    whole: await restoreOnce(sandbox, wholes.pop() ?? ""),
    disk: await restoreOnce(sandbox, disks.pop() ?? ""),
  }))
  const [disk, whole] = [pairs.map((pair) => pair.disk), pairs.map((pair) => pair.whole)]
  return [
    { what: "restore() of files, with a first command", unit: "ms", values: disk },
    { what: "restore() of the whole machine, with a first command", unit: "ms", values: whole },
    {
      what: "- its median against that of the former",
      unit: "x",
      values: [median(whole) / median(disk)],
      target: 1.3,
    },
  ]
}

function restoreOnce(sandbox: Sandbox, snapshot: string): Promise<number> {
  return elapsed(async () => {
    const { degraded } = expectSuccess(await sandbox.restore(snapshot))
    if (degraded !== undefined) throw new Error(degraded)
    expectSuccess(await sandbox.run("true", { snapshot: false }))
  })
}

/** Milliseconds until all forks of the present are made and answer, and until all have run a command. */
async function forkOnce(client: Client, sandbox: Sandbox): Promise<{ answered: number; used: number }> {
  const names = Array.from({ length: forks }, (_, number) => `live-${number}`)
  let all: Sandbox[] = []
  const answered = await elapsed(async () => {
    all = expectSuccess(await client.fork(sandbox.name, names, { memory: true })).sandboxes
    await Promise.all(all.map(async (fork) => expectSuccess(await fork.processes())))
  })
  const commands = await elapsed(() =>
    Promise.all(all.map(async (fork) => expectSuccess(await fork.run("true", { snapshot: false })))),
  )
  for (const fork of all) expectSuccess(await fork.destroy())
  return { answered, used: answered + commands }
}
