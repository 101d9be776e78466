import { rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import type { MachineCgroups } from "../cgroups/machine-cgroups.js"
import type { LayerDirectory } from "../disk/layer-directory.js"
import type { LayerId } from "../disk/layer.js"
import { GuestMemory } from "../memory/guest-memory.js"
import type { MemoryChain } from "../memory/memory-chain.js"
import type { MemoryDirectory } from "../memory/memory-directory.js"
import type { NetworkPolicy } from "../network/network-policy.js"
import type { Template } from "../template/template.js"
import { machineFiles } from "./command-line.js"
import { DiskChain } from "./disk-chain.js"
import { MachineMemory } from "./machine-memory.js"
import { Machine, type MachineId } from "./machine.js"
import { inNewDirectory } from "./process.js"
import {
  blankLink,
  freshEntropy,
  MachineCrashError,
  now,
  startError,
  wakeClone,
  type GuestIdentity,
} from "./start.js"

/** How long the agent may take to give a machine its clock, its random generator and its names. */
const resumeMilliseconds = 30_000

/** What a machine is resumed from. */
export interface ResumeRequest {
  readonly id: MachineId
  /** Becomes its own. */
  readonly directory: string
  /** The one that the memories rest on. */
  readonly template: Template
  readonly disk: LayerDirectory
  /** The disk's layers from the oldest to the head, which is empty. */
  readonly layers: readonly LayerId[]
  readonly memories: MemoryDirectory
  readonly chain: MemoryChain
  /** Default: the names that it had. */
  readonly identity: GuestIdentity | undefined
  readonly policy: NetworkPolicy
  readonly cgroups: MachineCgroups | undefined
}

/**
 * Makes a machine whose guest goes on where another one stood still. No instruction of it runs before all of its memory
 * was found to be whole, and none of a sandbox's process before clock, random generator and names are new. One whose
 * QEMU vanishes is started once more.
 *
 * @throws DamagedMemoryError when a memory is not whole, MachineStartError when the machine does not come up; nothing
 *   of it is left then.
 */
export async function resumeMachine(request: ResumeRequest): Promise<Machine> {
  try {
    return await resumeOnce(request)
  } catch (error) {
    if (error instanceof MachineCrashError) return resumeOnce(request)
    throw error
  }
}

async function resumeOnce(request: ResumeRequest): Promise<Machine> {
  const { id, directory, template, disk, chain, memories, identity } = request
  const layers = request.layers.map((layer) => ({ node: layer, path: disk.path(layer) }))
  const devicesFile = join(directory, machineFiles.resuming)
  const devices = await chain.devices()
  await inNewDirectory(directory, () => writeFile(devicesFile, devices, { mode: 0o600 }))
  // While QEMU starts.
  const whole = chain.verify()
  whole.catch(() => undefined)
  const remember = async (pid: number) => {
    await whole
    await chain.writeTo(new GuestMemory(pid))
  }
  const clone = await wakeClone(
    directory,
    template,
    [blankLink(template), ...layers],
    disk.durability,
    request.policy,
    request.cgroups,
    { devicesFile, remember },
  )
  const { process, qmp, agent, network } = clone
  try {
    const opened = DiskChain.opened(qmp, disk.durability, layers)
    const known = new MachineMemory(memories, template.id, { memory: chain.newest, index: chain.index })
    const machine = new Machine(id, process, qmp, agent, opened, known, network)
    await agent.resume({ ...identity, ...now(), entropy: freshEntropy() }, resumeMilliseconds)
    // A server that takes the machine up knows by its absence that all of this was done.
    await rm(devicesFile)
    return machine
  } catch (error) {
    throw await startError(error, clone)
  }
}
