import { mkdir, readdir, readFile, rmdir, writeFile } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import type { Accelerator } from "../accelerator/accelerator.js"
import { overheadMiB, type MachineSize } from "../machine/size.js"
import { ownCgroup } from "./own-cgroup.js"

/** The group of the server itself: one that has others in it may hold no processes. A service manager may make it, too. */
const serverGroup = "server"

const machinesGroup = "machines"

/** What the machines' groups limit, as far as this server may. */
const wanted = ["cpu", "memory", "pids"] as const
type Controller = (typeof wanted)[number]

/** A processor's time, in microseconds of which each period has so many. */
const periodMicroseconds = 100_000

/** QEMU's threads beside those of the processors: up to 64 that wait for the disk, and a handful. */
const otherThreads = 128

/** Why machines have no groups of their own. */
export class NoCgroupsError extends Error {
  override name = "NoCgroupsError"
}

/**
 * Control groups (v2) of the kernel, one for each machine: what its process may take of the host, whatever the guest does.
 * They are named for processes, so that one found after a crash needs no record.
 */
export class MachineCgroups {
  readonly #directory: string
  readonly #controllers: readonly Controller[]

  private constructor(directory: string, controllers: readonly Controller[]) {
    this.#directory = directory
    this.#controllers = controllers
  }

  /**
   * Makes groups possible below the one that this process is in, which it has to have for itself: it moves into a group
   * `server` there, beside `machines`. Where it is in such a group already, they are made beside that.
   *
   * @param own The directory of this process's group.
   * @throws NoCgroupsError that says why there are none: the host has no cgroup v2, or does not give this server a part of it.
   */
  static async open(own?: string, pid = process.pid): Promise<MachineCgroups> {
    try {
      const group = own ?? (await ownCgroup())
      if (group === undefined) throw new NoCgroupsError("the host has no cgroup v2")
      const { base, controllers } = await settle(group, pid)
      const directory = join(base, machinesGroup)
      await mkdir(directory, { recursive: true })
      for (const parent of [base, directory]) {
        const enabled = controllers.map((name) => `+${name}`).join(" ")
        await writeFile(join(parent, "cgroup.subtree_control"), enabled)
      }
      const groups = new MachineCgroups(directory, controllers)
      await groups.sweep()
      return groups
    } catch (error) {
      if (error instanceof NoCgroupsError) throw error
      throw new NoCgroupsError(`the server may not make control groups (${String(error)})`, { cause: error })
    }
  }

  /** What is limited. */
  get controllers(): readonly string[] {
    return this.#controllers
  }

  /** Limits a process to what a machine takes at most. */
  async confine(pid: number, machine: MachineSize & { readonly accelerator: Accelerator }): Promise<void> {
    const group = join(this.#directory, String(pid))
    await mkdir(group, { recursive: true })
    for (const [file, value] of limitsOf(machine, this.#controllers))
      await writeFile(join(group, file), value)
    await writeFile(join(group, "cgroup.procs"), String(pid))
  }

  /** Removes the groups that no process is in any more. */
  async sweep(): Promise<void> {
    const groups = (await readdir(this.#directory, { withFileTypes: true })).filter((entry) =>
      entry.isDirectory(),
    )
    // One that has a process cannot be removed.
    for (const { name } of groups) await rmdir(join(this.#directory, name)).catch(() => undefined)
  }
}

/** Makes room for groups below this process's own. @returns where they go, and what they may limit. */
async function settle(own: string, pid: number): Promise<{ base: string; controllers: Controller[] }> {
  const apart = basename(own) === serverGroup
  const base = apart ? dirname(own) : own
  const available = (await readFile(join(base, "cgroup.controllers"), "utf8")).split(/\s+/)
  const controllers = wanted.filter((name) => available.includes(name))
  if (controllers.length === 0) {
    throw new NoCgroupsError(
      `the control group ${base} was given none of the controllers ${wanted.join(", ")}`,
    )
  }
  const inside = (await readFile(join(base, "cgroup.procs"), "utf8")).split(/\s+/).filter(Boolean)
  if (inside.some((other) => other !== String(pid))) {
    throw new NoCgroupsError(
      `other processes are in the control group ${base}: start the server as a service of its own, with Delegate=yes`,
    )
  }
  if (!apart) {
    await mkdir(join(base, serverGroup), { recursive: true })
    await writeFile(join(base, serverGroup, "cgroup.procs"), String(pid))
  }
  return { base, controllers }
}

/** The files of a group, and what is written to each. */
function limitsOf(
  { cpus, memoryMiB, accelerator }: MachineSize & { readonly accelerator: Accelerator },
  controllers: readonly Controller[],
): [file: string, value: string][] {
  const bytes = (memoryMiB + overheadMiB(accelerator)) * 1024 * 1024
  const limits: Record<Controller, [string, string][]> = {
    cpu: [["cpu.max", `${cpus * periodMicroseconds} ${periodMicroseconds}`]],
    memory: [["memory.max", String(bytes)]],
    pids: [["pids.max", String(cpus + otherThreads)]],
  }
  return controllers.flatMap((name) => limits[name])
}
