import { randomBytes } from "node:crypto"
import { join } from "node:path"
import { z } from "zod"
import { AgentConnection } from "../agent/connection.js"
import { poll } from "../deadline.js"
import type { LayerDirectory } from "../disk/layer-directory.js"
import type { LayerId } from "../disk/layer.js"
import { guestNetworkSetup } from "../network/guest-link.js"
import { GuestNetwork } from "../network/guest-network.js"
import type { NetworkPolicy } from "../network/network-policy.js"
import { QmpClient } from "../qmp/client.js"
import { leaveMemoryOut, type Template } from "../template/template.js"
import { blankNode, commandLine, machineFiles, type ChainLink } from "./command-line.js"
import { DiskChain } from "./disk-chain.js"
import { Machine, type MachineId } from "./machine.js"
import { MachineProcess } from "./process.js"

/** The machine did not come up, or could not be taken up again. */
class MachineStartError extends Error {
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

const runState = z.object({ status: z.string() })

/** QEMU crashed before its guest was ready. */
class MachineCrashError extends MachineStartError {
  override name = "MachineCrashError"
}

/**
 * Clones the template on to a disk and waits until the guest is ready for commands. QEMU 7.2 has been seen to crash
 * while it loads a template, where thousands of others loaded the same one, so one that crashes is started once more.
 *
 * @param layers The disk's layers from the oldest to the writable head.
 * @param identity Written to the disk; without one it keeps the names that are there.
 * @param policy What it may reach, of a template with a network device unless that is nothing.
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
  layers: readonly LayerId[],
  identity: GuestIdentity | undefined,
  policy: NetworkPolicy,
): Promise<Machine> {
  if (layers.length === 0) throw new MachineStartError("a machine needs a layer to write to")
  const blank: ChainLink = { node: blankNode, path: template.image.blankDisk }
  const chain = layers.map((layer) => ({ node: layer, path: disk.path(layer) }))
  const args = commandLine({
    ...template,
    memoryShared: false,
    disk: [blank, ...chain],
    incoming: true,
    durability: disk.durability,
  })
  const process = await MachineProcess.start(directory, args, template.devicesFile)
  let qmp: QmpClient | undefined
  let network: GuestNetwork | undefined
  try {
    qmp = await connectMonitor(process)
    await leaveMemoryOut(qmp)
    await wake(qmp)
    network = await openNetwork(process, policy)
    const agent = await AgentConnection.connect(join(directory, machineFiles.agent), {
      deadlineMs: startMilliseconds,
    })
    const machine = new Machine(
      id,
      process,
      qmp,
      agent,
      DiskChain.opened(qmp, disk.durability, chain),
      network,
    )
    const reachable = network && { network: guestNetworkSetup }
    await agent.setup(
      { device: "/dev/vdb", ...identity, ...reachable, ...now(), entropy: freshEntropy() },
      mountMilliseconds,
    )
    return machine
  } catch (error) {
    // First, as it waits for the end of a process that is just ending, and for its last words.
    const StartError = (await process.crashed()) ? MachineCrashError : MachineStartError
    const words = await process.lastWords()
    network?.close()
    qmp?.close()
    await process.kill()
    throw new StartError(`the machine did not start (${String(error)}); ${words}`, {
      cause: error,
    })
  }
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
    if (status !== "running") throw new Error(`it stood still (${status})`)
    const chain = await DiskChain.found(qmp, disk.durability)
    const agent = await AgentConnection.connect(join(directory, machineFiles.agent), {
      deadlineMs: adoptMilliseconds,
    })
    if (!agent.welcome.ready) throw new Error("its disk was never mounted")
    network = await openNetwork(process, policy)
    return new Machine(id, process, qmp, agent, chain, network)
  } catch (error) {
    network?.close()
    qmp?.close()
    await process.kill()
    throw new MachineStartError(`machine ${id} could not be taken up again: ${String(error)}`, {
      cause: error,
    })
  }
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
function freshEntropy(): string {
  return randomBytes(entropyBytes).toString("base64")
}

function now(): { unixTimeMs: number } {
  return { unixTimeMs: Date.now() }
}
