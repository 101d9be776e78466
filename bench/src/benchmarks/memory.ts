import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import type { Client, Sandbox } from "opensandbox"
import type { Benchmark } from "../benchmark.js"
import { expectSuccess } from "../expect-success.js"
import type { Measurement } from "../measurement.js"

const commandCount = 50
const machineCount = 3

/** What an agent does on an ordinary day, in small. */
const dailyWork = [
  "echo line >> log.txt",
  "ls -la /usr/bin | sort -k 5 -n | tail -5",
  "grep -c line log.txt",
  "python3 -c 'print(sum(range(1000)))'",
  "git init -q work 2>/dev/null; cd work && git status --short",
]

/** What machines do before their memory is looked at. */
interface Work {
  readonly name: string
  readonly commands: readonly string[]
  /** How many commands are run. */
  readonly count: number
  /** In megabytes. */
  readonly target: number
}

const works: readonly Work[] = [
  { name: "one command", commands: ["true"], count: 1, target: 60 },
  { name: `${commandCount} times "true"`, commands: ["true"], count: commandCount, target: 160 },
  { name: `${commandCount} commands of daily work`, commands: dailyWork, count: commandCount, target: 160 },
]

export const memory: Benchmark = {
  title: "the memory of machines",
  measure: async ({ client, dataDirectory }) => {
    const measurements: Measurement[] = []
    for (const work of works) measurements.push(...(await measured(client, dataDirectory, work)))
    return measurements
  },
}

/** Looks at several machines at once, as pages that they share are private to none. */
async function measured(
  client: Client,
  dataDirectory: string,
  { name: what, commands, count, target }: Work,
): Promise<Measurement[]> {
  const sandboxes: Sandbox[] = []
  for (let machine = 0; machine < machineCount; machine += 1) {
    const { sandbox } = expectSuccess(await client.create(`memory-${machine}`))
    sandboxes.push(sandbox)
    for (let done = 0; done < count; done += 1) {
      expectSuccess(await sandbox.run(commands[done % commands.length] ?? ""))
    }
  }
  const machines = await memoryOfMachines(join(dataDirectory, "machines"))
  if (machines.length !== machineCount)
    throw new Error(`${machines.length} machines run, not ${machineCount}`)
  for (const sandbox of sandboxes) expectSuccess(await sandbox.destroy())
  return [
    {
      what: `memory private to a machine after ${what}`,
      unit: "MB",
      values: machines.map((machine) => machine.private),
      target,
    },
    {
      what: "- with its share of what it has in common (PSS)",
      unit: "MB",
      values: machines.map(({ pss }) => pss),
    },
  ]
}

interface ProcessMemory {
  readonly private: number
  readonly pss: number
}

async function memoryOfMachines(machines: string): Promise<ProcessMemory[]> {
  // Those that wait in the pool have names of their own.
  const names = (await readdir(machines)).filter((name) => name.startsWith("m"))
  return Promise.all(
    names.map(async (name) => memoryOf(Number(await readFile(join(machines, name, "pid"), "utf8")))),
  )
}

/** In megabytes; see smaps_rollup in proc_pid_smaps(5). */
async function memoryOf(pid: number): Promise<ProcessMemory> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, "utf8")
  const megabytes = (field: string) => {
    const kibibytes = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(rollup)?.[1]
    if (kibibytes === undefined) throw new Error(`the kernel does not tell ${field} of process ${pid}`)
    return (Number(kibibytes) * 1024) / 1e6
  }
  return { private: megabytes("Private_Clean") + megabytes("Private_Dirty"), pss: megabytes("Pss") }
}
