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

export const memory: Benchmark = {
  title: "the memory of machines",
  measure: async ({ client, dataDirectory }) => [
    ...(await measured(client, dataDirectory, `${commandCount} times "true"`, ["true"])),
    ...(await measured(client, dataDirectory, `${commandCount} commands of daily work`, dailyWork)),
  ],
}

/** Looks at several machines at once, as pages that they share are private to none. */
async function measured(
  client: Client,
  dataDirectory: string,
  what: string,
  commands: readonly string[],
): Promise<Measurement[]> {
  const sandboxes: Sandbox[] = []
  for (let machine = 0; machine < machineCount; machine += 1) {
    const { sandbox } = expectSuccess(await client.create(`memory-${machine}`))
    sandboxes.push(sandbox)
    for (let done = 0; done < commandCount; done += 1) {
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
      target: 160,
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
  const names = await readdir(machines)
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
