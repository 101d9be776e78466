import { readdirSync, readlinkSync, realpathSync } from "node:fs"
import { readdir } from "node:fs/promises"
import { basename, join } from "node:path"
import { eventually } from "./eventually.js"

/** A machine's process. */
export interface RunningMachine {
  id: string
  pid: number
}

const endMs = 10_000

/** The machines of a data directory that run now. A machine's process works in a directory of its own below it. */
export function runningMachines(dataDirectory: string): RunningMachine[] {
  const machines = join(realpathSync(dataDirectory), "machines")
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .map((entry) => ({ pid: Number(entry), cwd: workingDirectory(entry) }))
    .filter(({ cwd }) => cwd.startsWith(`${machines}/`))
    .map(({ pid, cwd }) => ({ pid, id: basename(cwd) }))
}

/** Whether a machine waits for a sandbox to use it. */
export function isWarm({ id }: { id: string }): boolean {
  return id.startsWith("w")
}

/** The names of the directories that the machines of sandboxes have, whether they run or not. */
export async function machineDirectories(dataDirectory: string): Promise<string[]> {
  return (await readdir(join(dataDirectory, "machines"))).filter((id) => !isWarm({ id })).sort()
}

/** Ends a machine's process at once and waits until it is gone. */
export async function killMachine(dataDirectory: string, { pid }: RunningMachine): Promise<void> {
  try {
    process.kill(pid, "SIGKILL")
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error
  }
  await eventually(`the end of machine process ${pid}`, endMs, () =>
    runningMachines(dataDirectory).some((machine) => machine.pid === pid) ? undefined : true,
  )
}

function workingDirectory(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`).replace(/ \(deleted\)$/, "")
  } catch {
    // It has ended, or is another user's.
    return ""
  }
}
