import { readFile, rm } from "node:fs/promises"
import { join } from "node:path"
import { z } from "zod"
import type { AgentConnection } from "../agent/connection.js"
import { AgentError } from "../agent/errors.js"
import type { LayerId } from "../disk/layer.js"
import { GuestMemory } from "../memory/guest-memory.js"
import { mostDevicesBytes } from "../memory/memory-format.js"
import { pageBytes } from "../memory/page.js"
import type { QmpClient } from "../qmp/client.js"
import { machineFiles } from "./command-line.js"
import type { DiskChain } from "./disk-chain.js"
import type { GuestInstant } from "./machine-memory.js"
import type { MachineProcess } from "./process.js"

/** How long the agent may take to have the sandbox's processes stand still, or go on. */
const freezeMilliseconds = 10_000

/** How long QEMU may take to write the devices to a disk that is busy. */
const saveMilliseconds = 30_000

/** Room for pages that the guest writes to between the question how many it has and the instant: 4 MiB. */
const sparePages = 1024

const runState = z.object({ status: z.string() })

/** The machine, as far as it takes part in standing still. */
export interface StandstillMeans {
  readonly process: MachineProcess
  readonly qmp: QmpClient
  readonly agent: AgentConnection
  readonly disk: DiskChain
  /** Whether nothing was ever written to the disk's head. */
  readonly headIsUntouched: () => Promise<boolean>
}

/** One instant of a machine. */
export interface Standstill extends GuestInstant {
  /** The layer that was sealed; null when the head was empty. */
  readonly layer: LayerId | null
  /** How long the sandbox's processes stood still, as seen from here; up to now where they still do. */
  readonly pausedMs: number
}

/**
 * Takes memory, devices and disk of one instant.
 *
 * The sandbox's processes are frozen first, by the agent. So a machine that is made of this later has none that runs
 * before its clock, its random generator and its names are new. The agent's answer also says that all that was sent to
 * it has arrived. Nothing more is sent until the machine goes on: QEMU would put it into the memory of a guest that
 * stands still. And nothing is read, so that what the guest has said waits where it is.
 *
 * @param halt Whether the machine is to stand still after it, if all went well: see `goOn`.
 * @throws AgentError with code `bad_request` from an agent that knows nothing of this; Error when anything fails. The
 *   machine goes on then.
 */
export async function standStill(means: StandstillMeans, halt: boolean): Promise<Standstill> {
  const { process, qmp, disk } = means
  const guest = new GuestMemory(process.pid)
  // Filled, so that the kernel has given it to us before the guest waits for us.
  const room = Buffer.alloc((guest.ownPages().length + sparePages) * pageBytes, 1)
  const began = performance.now()
  await freeze(means)
  try {
    await qmp.execute("stop")
    // QEMU has dealt with all that the devices had in hand when it answers again.
    const [{ status }, empty] = await Promise.all([
      qmp.execute("query-status").then((state) => runState.parse(state)),
      means.headIsUntouched(),
    ])
    if (status !== "paused") throw new Error(`the machine stood still by itself (${status})`)
    // All at the same time: QEMU saves the devices while we copy.
    const [, layer, copy] = await Promise.all([
      saveDevices(qmp),
      empty ? null : disk.seal(),
      copyOwnPages(guest, room),
    ])
    if (!halt) await goOn(means)
    const pausedMs = performance.now() - began
    return {
      ...copy,
      guestPages: guest.pageCount,
      devices: await takeDevices(process.directory),
      layer,
      pausedMs,
    }
  } catch (error) {
    await goOn(means)
    throw error
  }
}

/** Lets a machine that stands still go on. One that does not is of no use, and ends. */
export async function goOn({ qmp, agent }: Pick<StandstillMeans, "qmp" | "agent">): Promise<void> {
  try {
    const running = qmp.execute("cont")
    // What arrives before the guest runs waits for it; the instant is over.
    agent.release()
    await Promise.all([running, agent.thaw(freezeMilliseconds)])
  } catch {
    agent.close()
  }
}

async function freeze(means: StandstillMeans): Promise<void> {
  try {
    await means.agent.freeze(freezeMilliseconds)
    means.agent.hold()
  } catch (error) {
    if (!(error instanceof AgentError)) await goOn(means)
    throw error
  }
}

/** Without `live: false` QEMU would give the disk's files up, for another host to take over. */
async function saveDevices(qmp: QmpClient): Promise<void> {
  const args = { filename: machineFiles.devices, live: false }
  await qmp.execute("xen-save-devices-state", args, saveMilliseconds)
}

async function copyOwnPages(
  guest: GuestMemory,
  room: Buffer,
): Promise<{ pages: Uint32Array; content: Buffer }> {
  const pages = guest.ownPages()
  return { pages, content: await guest.read(pages, room) }
}

async function takeDevices(directory: string): Promise<Uint8Array> {
  const file = join(directory, machineFiles.devices)
  const devices = await readFile(file)
  await rm(file)
  if (devices.length > mostDevicesBytes)
    throw new Error("the machine's devices hold more than they ever should")
  return devices
}
