import { randomBytes } from "node:crypto"
import { readFile, stat, writeFile } from "node:fs/promises"
import type { Socket } from "node:net"
import { join } from "node:path"
import { z } from "zod"
import { AgentConnection } from "../agent/connection.js"
import { poll } from "../deadline.js"
import type { LayerDirectory } from "../disk/layer-directory.js"
import type { LayerId } from "../disk/layer.js"
import type { MachineCgroups } from "../cgroups/machine-cgroups.js"
import type { Durability } from "../durability.js"
import type { MemoryDirectory } from "../memory/memory-directory.js"
import { DamagedMemoryError } from "../memory/memory.js"
import { guestNetworkSetup } from "../network/guest-link.js"
import { GuestNetwork } from "../network/guest-network.js"
import type { NetworkPolicy } from "../network/network-policy.js"
import { QmpClient } from "../qmp/client.js"
import { leaveMemoryOut, type Template } from "../template/template.js"
import { connectWhenReady } from "../unix-socket.js"
import { blankNode, commandLine, machineFiles, type ChainLink } from "./command-line.js"
import { DiskChain } from "./disk-chain.js"
import { MachineMemory } from "./machine-memory.js"
import { Machine, type MachineId } from "./machine.js"
import { MachineProcess } from "./process.js"

/** The machine did not come up, or could not be taken up again. */
export class MachineStartError extends Error {
  override name = "MachineStartError"
}

/** What makes a clone a sandbox of its own. */
export interface GuestIdentity {
  readonly hostname: string
  /** 32 hexadecimal digits, for the guest's /etc/machine-id. */
  readonly machineId: string
}

/** How long a machine may take from its process to its agent's first answer. */
const startMilliseconds = 30_000

/** How long a guest that runs may take to answer a new server, which cannot be used until all have. */
const adoptMilliseconds = 10_000

/** How long the agent may take to mount the sandbox's disk, its journal's replay included. */
const mountMilliseconds = 60_000

const entropyBytes = 64

/** The sandbox's disk, as its guest calls it. */
export const guestDisk = "/dev/vdb"

const runState = z.object({ status: z.string() })

/** QEMU crashed before its guest was ready. */
export class MachineCrashError extends MachineStartError {
  override name = "MachineCrashError"
}

/**
 * Clones the template on to a disk and waits until the guest is ready for commands. QEMU 7.2 has been seen to crash
 * while it loads a template, where thousands of others loaded the same one, so one that crashes is started once more.
 *
 * @param layers The disk's layers from the oldest to the writable head.
 * @param diskBytes The disk's size, as the layers have it.
 * @param identity Written to the disk; without one it keeps the names that are there.
 * @param policy What it may reach, of a template with a network device unless that is nothing.
 * @param cgroups Limit what it takes of the host, where there are any.
 * @throws MachineStartError when it does not come up; nothing of it is left then.
 */
export async function startMachine(...parts: Parameters<typeof startOnce>): Promise<Machine> {
  try {
    return await startOnce(...parts)
  } catch (error) {
    if (error instanceof MachineCrashError) return startOnce(...parts)
    throw error
  }
}

async function startOnce(
  id: MachineId,
  directory: string,
  template: Template,
  disk: LayerDirectory,
  memories: MemoryDirectory,
  layers: readonly LayerId[],
  diskBytes: number,
  identity: GuestIdentity | undefined,
  policy: NetworkPolicy,
  cgroups: MachineCgroups | undefined,
): Promise<Machine> {
  if (layers.length === 0) throw new MachineStartError("a machine needs a layer to write to")
  const chain = layers.map((layer) => ({ node: layer, path: disk.path(layer) }))
  const clone = await wakeClone(
    directory,
    template,
    [blankLink(template), ...chain],
    disk.durability,
    policy,
    cgroups,
  )
  const opened = DiskChain.opened(clone.qmp, disk.durability, chain)
  return setUp(
    id,
    clone,
    memories,
    opened,
    identity,
    diskBytes > template.image.blankBytes ? diskBytes : undefined,
  )
}

/** A machine that runs and whose agent answers, but that has not mounted its disk. */
export interface WokenClone {
  readonly template: Template
  readonly process: MachineProcess
  readonly qmp: QmpClient
  readonly agent: AgentConnection
  readonly network: GuestNetwork | undefined
}

/** What there is of a clone, whose start may have failed anywhere. */
type PartOfClone = Pick<WokenClone, "process"> & {
  readonly [Part in keyof WokenClone]?: WokenClone[Part] | undefined
}

/** What makes a clone a machine that goes on, where others begin. */
interface Resumption {
  /** Saved with the memory, in the place of the template's. */
  readonly devicesFile: string
  /** Gives the guest of a process its memory, before it runs. */
  readonly remember: (pid: number) => Promise<void>
}

/** The image's blank disk, on which every chain rests. */
export function blankLink(template: Template): ChainLink {
  return { node: blankNode, path: template.image.blankDisk }
}

/**
 * Clones the template and lets it run.
 *
 * @throws MachineStartError when it does not come up, DamagedMemoryError where `remember` does; nothing of it is left then.
 */
export async function wakeClone(
  directory: string,
  template: Template,
  disk: readonly [ChainLink, ...ChainLink[]],
  durability: Durability,
  policy: NetworkPolicy,
  cgroups: MachineCgroups | undefined,
  resumption?: Resumption,
): Promise<WokenClone> {
  const args = commandLine({ ...template, memoryShared: false, disk, incoming: true, durability })
  const devicesFile = resumption?.devicesFile ?? template.devicesFile
  const process = await MachineProcess.start(directory, args, devicesFile)
  let qmp: QmpClient | undefined
  let network: GuestNetwork | undefined
  let port: Socket | undefined
  try {
    await cgroups?.confine(process.pid, template)
    await writeFile(join(directory, machineFiles.template), template.id)
    qmp = await connectMonitor(process)
    port = await reachAgent(directory)
    await leaveMemoryOut(qmp)
    await resumption?.remember(process.pid)
    await wake(qmp)
    network = await openNetwork(process, policy)
    const resumed = resumption !== undefined
    const agent = await AgentConnection.begin(port, { deadlineMs: startMilliseconds, resumed })
    return { template, process, qmp, agent, network }
  } catch (error) {
    port?.destroy()
    throw await startError(error, { process, qmp, network })
  }
}

/**
 * Connects to the agent of a guest whose devices are still to be loaded. With nobody there QEMU 7.2 waits for ever before it
 * hands over the rest of what the guest was just saying when they were saved, and the guest can never say anything again:
 * `flush_buf` in hw/char/virtio-console.c waits for a connection to take more, and connecting is not that.
 */
async function reachAgent(directory: string): Promise<Socket> {
  const port = await connectWhenReady(join(directory, machineFiles.agent), startMilliseconds)
  // Whoever begins a session on it finds out.
  return port.on("error", () => undefined)
}

/**
 * Has a clone mount its disk and take on its identity.
 *
 * @param diskBytes The disk's size, where it is not as large as the template's.
 * @throws MachineStartError when it cannot; nothing of it is left then.
 */
export async function setUp(
  id: MachineId,
  clone: WokenClone,
  memories: MemoryDirectory,
  disk: DiskChain,
  identity: GuestIdentity | undefined,
  diskBytes?: number,
): Promise<Machine> {
  const { template, process, qmp, agent, network } = clone
  try {
    // Nobody has told the guest yet, which woke with a disk as large as the template's.
    if (diskBytes !== undefined)
      await qmp.execute("block_resize", { "node-name": disk.head, size: diskBytes })
    const memory = new MachineMemory(memories, template.id)
    const machine = new Machine(id, process, qmp, agent, disk, memory, network)
    const reachable = network && { network: guestNetworkSetup }
    await agent.setup(
      {
        device: guestDisk,
        ...(diskBytes !== undefined && { diskBytes }),
        ...identity,
        ...reachable,
        ...now(),
        entropy: freshEntropy(),
      },
      mountMilliseconds,
    )
    return machine
  } catch (error) {
    throw await startError(error, clone)
  }
}

/** Ends a clone, and removes what it left behind. */
export async function endClone({ process, qmp, agent, network }: PartOfClone): Promise<void> {
  network?.close()
  agent?.close()
  qmp?.close()
  await process.kill()
}

/** Ends a machine that did not start. @returns what to say of it. */
export async function startError(error: unknown, clone: PartOfClone): Promise<Error> {
  // First, as it waits for the end of a process that is just ending, and for its last words.
  const StartError = (await clone.process.crashed()) ? MachineCrashError : MachineStartError
  const words = await clone.process.lastWords()
  await endClone(clone)
  if (error instanceof DamagedMemoryError) return error
  return new StartError(`the machine did not start (${String(error)}); ${words}`, {
    cause: error,
  })
}

/**
 * Takes up a machine that an earlier server left running.
 *
 * @param policy What it may reach, as it was started with.
 * @returns undefined when no such process runs.
 * @throws MachineStartError when it runs but cannot be used; it is ended then.
 */
export async function adoptMachine(
  id: MachineId,
  directory: string,
  disk: LayerDirectory,
  memories: MemoryDirectory,
  policy: NetworkPolicy,
): Promise<Machine | undefined> {
  const process = await MachineProcess.find(directory)
  if (process === undefined) return undefined
  let qmp: QmpClient | undefined
  let network: GuestNetwork | undefined
  try {
    qmp = await connectMonitor(process)
    // Going on, one that stands still on a full disk would take the last room before anything can be recorded there.
    const { status } = runState.parse(await qmp.execute("query-status"))
    // The earlier server may have ended while it took an instant of the machine; what it had half made is no harm.
    if (status === "paused") await qmp.execute("cont")
    else if (status !== "running") throw new Error(`it stood still (${status})`)
    const template = await templateOf(directory)
    const chain = await DiskChain.found(qmp, disk.durability)
    const agent = await AgentConnection.connect(join(directory, machineFiles.agent), {
      deadlineMs: adoptMilliseconds,
    })
    if (!agent.welcome.ready) throw new Error("its disk was never mounted")
    network = await openNetwork(process, policy)
    return new Machine(id, process, qmp, agent, chain, new MachineMemory(memories, template), network)
  } catch (error) {
    network?.close()
    qmp?.close()
    await process.kill()
    throw new MachineStartError(`machine ${id} could not be taken up again: ${String(error)}`, {
      cause: error,
    })
  }
}

/** @returns the `id` of the template that a machine is a clone of. @throws Error when the machine never came to be used. */
async function templateOf(directory: string): Promise<string> {
  const resuming = await stat(join(directory, machineFiles.resuming)).catch(() => undefined)
  if (resuming !== undefined) throw new Error("it was not resumed to the end")
  return readFile(join(directory, machineFiles.template), "utf8")
}

function connectMonitor(process: MachineProcess): Promise<QmpClient> {
  const socket = join(process.directory, machineFiles.monitor)
  return QmpClient.connect(socket, startMilliseconds, () => !process.running)
}

/** Connects the machine's network device, if it has one. */
async function openNetwork(
  process: MachineProcess,
  policy: NetworkPolicy,
): Promise<GuestNetwork | undefined> {
  if (policy === "none") return undefined
  return GuestNetwork.open(join(process.directory, machineFiles.network), policy, () => !process.running)
}

/** Loads the template's devices from the descriptor that the process inherited, and lets the guest run. */
async function wake(qmp: QmpClient): Promise<void> {
  await qmp.execute("migrate-incoming", { uri: "fd:3" })
  await poll(
    startMilliseconds,
    "the loading of the template",
    async () => {
      const { status } = runState.parse(await qmp.execute("query-status"))
      return status === "inmigrate" ? undefined : true
    },
    1,
  )
  await qmp.execute("cont")
}

/** A clone wakes with the template's random generator and clock, so it gets new ones before it runs anything. */
export function freshEntropy(): string {
  return randomBytes(entropyBytes).toString("base64")
}

export function now(): { unixTimeMs: number } {
  return { unixTimeMs: Date.now() }
}
