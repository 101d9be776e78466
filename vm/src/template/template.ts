import { randomBytes } from "node:crypto"
import { mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises"
import { createServer } from "node:net"
import { createWriteStream } from "node:fs"
import { join } from "node:path"
import { pipeline } from "node:stream/promises"
import { execa } from "execa"
import { z } from "zod"
import { AgentConnection } from "../agent/connection.js"
import { poll, within } from "../deadline.js"
import type { Image } from "../image.js"
import { commandLine, machineFiles } from "../machine/command-line.js"
import { readConsole } from "../machine/machine.js"
import { MachineProcess } from "../machine/process.js"
import { QmpClient } from "../qmp/client.js"
import type { TemplateRecipe } from "./template-key.js"

/** A machine that was booted once and frozen; every other machine is a clone of it. */
export interface Template extends TemplateRecipe {
  readonly key: string
  /**
   * Names what is in the memory: a template that is made anew of the same recipe, under the same key, holds other things in
   * other places. 16 hexadecimal digits.
   */
  readonly id: string
  /** The guest's memory. Clones map it copy-on-write, so that all of them share what they do not change. */
  readonly memoryFile: string
  /** The state of the processor and the devices. */
  readonly devicesFile: string
}

const templateFiles = {
  memory: "memory",
  devices: "devices",
  id: "id",
  recipe: "recipe",
  placeholder: "placeholder.qcow2",
} as const

const templateId = /^[0-9a-f]{16}$/

/** What a template says of itself: all that it was made of but the image's files. */
const recipeFile = z.object({
  key: z.string(),
  accelerator: z.enum(["kvm", "tcg"]),
  image: z.string(),
  cpus: z.int().positive(),
  memoryMiB: z.int().positive(),
  network: z.boolean(),
})

const migrationState = z.object({ status: z.string().default("none"), "error-desc": z.string().optional() })

/** Saving the devices takes some 10 ms; the memory is in its file already. */
const saveMilliseconds = 30_000

/** The template in `directory` under its key; undefined when there is none. */
export async function findTemplate(
  directory: string,
  key: string,
  recipe: TemplateRecipe,
): Promise<Template | undefined> {
  const template = await openTemplate(join(directory, key), recipe.image)
  return template?.memoryMiB === recipe.memoryMiB ? template : undefined
}

/** The template in a directory of its own; undefined when it is not whole, or was made of another image. */
export async function openTemplate(home: string, image: Image): Promise<Template | undefined> {
  const recipe = await readRecipe(home)
  if (recipe?.image !== image.key) return undefined
  const [memory, devices] = await Promise.all(
    [templateFiles.memory, templateFiles.devices].map((name) =>
      stat(join(home, name)).catch(() => undefined),
    ),
  )
  // QEMU would make a missing memory file itself, and a guest without a memory never answers.
  const whole = devices !== undefined && memory?.size === recipe.memoryMiB * 1024 * 1024
  const id = await templateIdIn(home)
  return whole && id !== undefined ? describe(home, recipe.key, id, { ...recipe, image }) : undefined
}

/** The `id` of the template in a directory; undefined when there is none. */
export async function templateIdIn(home: string): Promise<string | undefined> {
  const id = await readFile(join(home, templateFiles.id), "utf8").catch(() => "")
  return templateId.test(id) ? id : undefined
}

/** The files of a template that clones and their memories need. */
export const lastingTemplateFiles: readonly string[] = [
  templateFiles.memory,
  templateFiles.devices,
  templateFiles.id,
  templateFiles.recipe,
]

async function readRecipe(home: string): Promise<z.infer<typeof recipeFile> | undefined> {
  try {
    return recipeFile.parse(JSON.parse(await readFile(join(home, templateFiles.recipe), "utf8")))
  } catch {
    return undefined
  }
}

async function writeRecipe(home: string, key: string, recipe: TemplateRecipe): Promise<void> {
  const { accelerator, image, cpus, memoryMiB, network } = recipe
  const content = { key, accelerator, image: image.key, cpus, memoryMiB, network }
  await writeFile(join(home, templateFiles.recipe), JSON.stringify(content))
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
    const id = randomBytes(8).toString("hex")
    await writeFile(join(workshop, templateFiles.id), id)
    await writeRecipe(workshop, key, recipe)
    const home = join(directory, key)
    try {
      await rename(workshop, home)
    } catch (error) {
      if (!["ENOTEMPTY", "EEXIST"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error
      // Another process was faster, unless what is there has lost a part.
      const other = await findTemplate(directory, key, recipe)
      if (other !== undefined) return other
      await rm(home, { recursive: true })
      await rename(workshop, home)
    }
    return describe(home, key, id, recipe)
  } finally {
    await rm(workshop, { recursive: true, force: true })
  }
}

function describe(home: string, key: string, id: string, recipe: TemplateRecipe): Template {
  return {
    ...recipe,
    key,
    id,
    memoryFile: join(home, templateFiles.memory),
    devicesFile: join(home, templateFiles.devices),
  }
}

async function bootAndFreeze(
  workshop: string,
  recipe: TemplateRecipe,
  bootMilliseconds: number,
): Promise<void> {
  // An empty disk stands in for the sandbox's: the guest sees the device, and nothing on it. It is as large as the blank
  // one; a clone whose disk is larger is told so.
  const placeholder = join(workshop, templateFiles.placeholder)
  await execa("qemu-img", ["create", "-q", "-f", "qcow2", placeholder, String(recipe.image.blankBytes)], {
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
