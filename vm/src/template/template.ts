import { randomBytes } from "node:crypto"
import { mkdir, rename, rm, stat } from "node:fs/promises"
import { createServer } from "node:net"
import { createWriteStream } from "node:fs"
import { join } from "node:path"
import { pipeline } from "node:stream/promises"
import { execa } from "execa"
import { z } from "zod"
import { AgentConnection } from "../agent/connection.js"
import { poll, within } from "../deadline.js"
import { commandLine, machineFiles } from "../machine/command-line.js"
import { readConsole } from "../machine/machine.js"
import { MachineProcess } from "../machine/process.js"
import { QmpClient } from "../qmp/client.js"
import type { TemplateRecipe } from "./template-key.js"

/** A machine that was booted once and frozen; every other machine is a clone of it. */
export interface Template extends TemplateRecipe {
  readonly key: string
  /** The guest's memory. Clones map it copy-on-write, so that all of them share what they do not change. */
  readonly memoryFile: string
  /** The state of the processor and the devices. */
  readonly devicesFile: string
}

const templateFiles = { memory: "memory", devices: "devices", placeholder: "placeholder.qcow2" } as const

const migrationState = z.object({ status: z.string().default("none"), "error-desc": z.string().optional() })

/** Saving the devices takes some 10 ms; the memory is in its file already. */
const saveMilliseconds = 30_000

/** The template in `directory` under its key; undefined when there is none. */
export async function findTemplate(
  directory: string,
  key: string,
  recipe: TemplateRecipe,
): Promise<Template | undefined> {
  const home = join(directory, key)
  const [memory, devices] = await Promise.all(
    [templateFiles.memory, templateFiles.devices].map((name) =>
      stat(join(home, name)).catch(() => undefined),
    ),
  )
  // QEMU would make a missing memory file itself, and a guest without a memory never answers.
  const whole = devices !== undefined && memory?.size === recipe.memoryMiB * 1024 * 1024
  return whole ? describe(home, key, recipe) : undefined
}

/**
 * Boots a machine and freezes it, with only the read-only base mounted: nothing of a sandbox's disk is in its memory.
 * The template appears under its key when it is whole; when another process was faster, that one's is used.
 *
 * @param bootMilliseconds How long the guest may take until its agent answers.
 * @throws Error with the guest's last words when it does not boot in time.
 */
export async function makeTemplate(
  directory: string,
  key: string,
  recipe: TemplateRecipe,
  bootMilliseconds: number,
): Promise<Template> {
  const workshop = join(directory, `new-${randomBytes(4).toString("hex")}`)
  await mkdir(workshop, { recursive: true, mode: 0o700 })
  try {
    await bootAndFreeze(workshop, recipe, bootMilliseconds)
    const home = join(directory, key)
    await rename(workshop, home).catch(async (error: unknown) => {
      if (!["ENOTEMPTY", "EEXIST"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error
      // Another process was faster, unless what is there has lost a part.
      if ((await findTemplate(directory, key, recipe)) !== undefined) return
      await rm(home, { recursive: true })
      await rename(workshop, home)
    })
    return describe(home, key, recipe)
  } finally {
    await rm(workshop, { recursive: true, force: true })
  }
}

function describe(home: string, key: string, recipe: TemplateRecipe): Template {
  return {
    ...recipe,
    key,
    memoryFile: join(home, templateFiles.memory),
    devicesFile: join(home, templateFiles.devices),
  }
}

async function bootAndFreeze(
  workshop: string,
  recipe: TemplateRecipe,
  bootMilliseconds: number,
): Promise<void> {
  // An empty disk of the final size stands in for the sandbox's: the guest sees the device, and nothing on it.
  const placeholder = join(workshop, templateFiles.placeholder)
  await execa("qemu-img", ["create", "-q", "-f", "qcow2", placeholder, String(recipe.image.diskBytes)], {
    stdin: "ignore",
    timeout: saveMilliseconds,
  })
  const args = commandLine({
    ...recipe,
    memoryFile: join(workshop, templateFiles.memory),
    memoryShared: true,
    disk: [{ node: "placeholder", path: placeholder }],
    incoming: false,
    durability: "process",
  })
  const machine = await MachineProcess.start(join(workshop, "machine"), args)
  try {
    await freezeOnceUp(machine, join(workshop, templateFiles.devices), bootMilliseconds)
  } finally {
    await machine.kill()
    await rm(placeholder, { force: true })
  }
}

async function freezeOnceUp(
  machine: MachineProcess,
  devicesFile: string,
  bootMilliseconds: number,
): Promise<void> {
  const gone = () => !machine.running
  const qmp = await QmpClient.connect(
    join(machine.directory, machineFiles.monitor),
    bootMilliseconds,
    gone,
  ).catch(async (error: unknown) => {
    throw new Error(`the machine did not start; ${await machine.lastWords()}`, { cause: error })
  })
  try {
    const agent = await AgentConnection.connect(join(machine.directory, machineFiles.agent), {
      deadlineMs: bootMilliseconds,
    }).catch(async (error: unknown) => {
      const console = await readConsole(qmp).catch(() => "")
      throw new Error(
        `the guest did not come up; its console says: ${console.trim().slice(-2000) || "nothing"}`,
        {
          cause: error,
        },
      )
    })
    // The agent's line stays open while the machine freezes, so that its clones wake up believing in a host.
    await qmp.execute("stop")
    await saveDevices(qmp, join(machine.directory, "save"), devicesFile)
    agent.close()
  } finally {
    qmp.close()
  }
}

/** QEMU may not start programs or open files for this, so it writes to a socket that we listen on. */
async function saveDevices(qmp: QmpClient, socketPath: string, devicesFile: string): Promise<void> {
  const server = createServer()
  const saved = new Promise<void>((resolve, reject) => {
    server.once("connection", (socket) => {
      pipeline(socket, createWriteStream(devicesFile, { mode: 0o600 })).then(resolve, reject)
    })
    server.once("error", reject)
  })
  await new Promise<void>((resolve) => server.listen(socketPath, resolve))
  try {
    await leaveMemoryOut(qmp)
    await qmp.execute("migrate", { uri: `unix:${socketPath}` })
    await poll(saveMilliseconds, "the saving of the devices", async () => {
      const { status, ...detail } = migrationState.parse(await qmp.execute("query-migrate"))
      if (status === "failed")
        throw new Error(`the devices could not be saved: ${detail["error-desc"] ?? "no reason"}`)
      return status === "completed" ? true : undefined
    })
    await within(saveMilliseconds, "the writing of the devices", saved)
  } finally {
    server.close()
  }
}

/** The memory is in its file, shared or copied-on-write: only the devices travel. */
export async function leaveMemoryOut(qmp: QmpClient): Promise<void> {
  await qmp.execute("migrate-set-capabilities", {
    capabilities: [{ capability: "x-ignore-shared", state: true }],
  })
}
