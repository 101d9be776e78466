import { mkdir, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { currentImage, defaultCacheDirectory } from "@opensandbox/image"
import {
  ImageShelf,
  MachineRoom,
  newLayerId,
  newMemoryId,
  type Image,
  type Machine,
  type StartOptions,
} from "@opensandbox/vm"

/** A guest's disk and memory, as they are to be found again. */
export interface Kept {
  /** The disk's layers from the oldest to the newest. */
  readonly layers: readonly string[]
  /** From the one that rests on the template alone to the newest. */
  readonly memories: readonly string[]
  /** Pages that the newest memory holds. */
  readonly pages: number
  readonly pausedMs: number
}

export const smallSize = { cpus: 1, memoryMiB: 512 }

/** Machines without a server: what one does with the layers and memories of its sandboxes, this does by hand. */
export class TestRoom {
  readonly room: MachineRoom
  readonly image: Image
  readonly directory: string
  readonly #machines = new Map<Machine, string[]>()

  private constructor(room: MachineRoom, image: Image, directory: string) {
    this.room = room
    this.image = image
    this.directory = directory
  }

  static async open({ diskBytes }: { diskBytes?: number } = {}): Promise<TestRoom> {
    const cacheDirectory = defaultCacheDirectory()
    const built = await currentImage(cacheDirectory)
    if (built === undefined) throw new Error('there is no image: run "npm run setup"')
    const directory = await mkdtemp(join(tmpdir(), "room-"))
    await mkdir(join(directory, "images"))
    const image = await new ImageShelf(join(directory, "images")).add(built)
    const room = await MachineRoom.open({
      dataDirectory: directory,
      cacheDirectory,
      image,
      size: smallSize,
      durability: "process",
    })
    return new TestRoom(room, { ...image, ...(diskBytes !== undefined && { diskBytes }) }, directory)
  }

  async start(options: StartOptions = {}): Promise<Machine> {
    const head = await this.#layer(null)
    const machine = await this.room.start(this.room.newMachineId(), this.image, [head], {
      identity: { hostname: "first", machineId: "a".repeat(32) },
      ...options,
    })
    return this.#prepared(machine, [head])
  }

  /** Takes an instant of a machine, and holds its template as a server does. */
  async keep(machine: Machine, since?: Kept, options: { halt?: boolean } = {}): Promise<Kept> {
    const memory = newMemoryId()
    await this.room.holdTemplate(machine.template)
    const {
      layer,
      memory: facts,
      pausedMs,
    } = await machine.sealWhole(memory, {
      ...options,
      parent: since?.memories.at(-1),
    })
    const layers = this.#layersOf(machine)
    const kept = layer === null ? layers.slice(0, -1) : [...layers]
    if (layer !== null) {
      layers.push(machine.head)
      if (options.halt !== true) await this.#prepare(machine)
    }
    const below = facts.parent === null ? [] : (since?.memories ?? [])
    return { layers: kept, memories: [...below, memory], pages: facts.pages, pausedMs }
  }

  async resume(kept: Kept, options: StartOptions = {}): Promise<Machine> {
    const head = await this.#layer(kept.layers.at(-1) ?? null)
    const layers = [...kept.layers, head]
    const id = this.room.newMachineId()
    return this.#prepared(await this.room.resume(id, this.image, layers, kept.memories, options), layers)
  }

  async close(): Promise<void> {
    for (const machine of this.#machines.keys()) await machine.kill()
    await this.room.close()
    await rm(this.directory, { recursive: true })
  }

  async #prepared(machine: Machine, layers: string[]): Promise<Machine> {
    this.#machines.set(machine, layers)
    await this.#prepare(machine)
    return machine
  }

  async #prepare(machine: Machine): Promise<void> {
    const next = await this.#layer(machine.head)
    await machine.prepare(next, this.room.disk.path(next))
  }

  async #layer(parent: string | null): Promise<string> {
    const layer = newLayerId()
    await this.room.disk.create(layer, parent, this.image)
    return layer
  }

  #layersOf(machine: Machine): string[] {
    const layers = this.#machines.get(machine)
    if (layers === undefined) throw new Error("not a machine of this room")
    return layers
  }
}

/** Runs a command in a machine. @returns what it printed. @throws Error unless it ends with 0. */
export async function runIn(machine: Machine, command: string): Promise<string> {
  const output: Uint8Array[] = []
  const take = (bytes: Uint8Array) => void output.push(Buffer.from(bytes))
  const { exitCode } = await machine.exec({ command, sync: true }, { onStdout: take, onStderr: take }).result
  const text = Buffer.concat(output).toString()
  if (exitCode !== 0) throw new Error(`"${command}" ended with ${exitCode}: ${text}`)
  return text.trim()
}
