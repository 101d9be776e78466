import { availableParallelism } from "node:os"
import { withDisk, type Image, type ImageShelf, type MachineRoom, type MachineSize } from "@opensandbox/vm"
import { memoryStep } from "opensandbox/contract"
import { Failure } from "../failure.js"
import type { SandboxRow } from "../store/tables.js"
import type { CreateRequest, VMInfo } from "./sandbox-service.js"

const gibibyte = 1024 ** 3

/** What a sandbox has of its host. */
export interface SandboxSize extends MachineSize {
  /** Null for as much as its image's blank disk has. */
  readonly diskBytes: number | null
}

/** What a sandbox has that was made with nothing else. */
export const defaultSize: SandboxSize = { cpus: 1, memoryMiB: 512, diskBytes: null }

/** What a sandbox has, as it is recorded. */
export function sizeOf(row: Pick<SandboxRow, "cpus" | "memory_mb" | "disk_bytes">): SandboxSize {
  return { cpus: row.cpus, memoryMiB: row.memory_mb, diskBytes: row.disk_bytes }
}

/** A sandbox's image, with a disk as large as the sandbox's. */
export async function imageOf(
  sandbox: Pick<SandboxRow, "image_key" | "disk_bytes">,
  images: ImageShelf,
): Promise<Image> {
  const image = await images.get(sandbox.image_key)
  return sandbox.disk_bytes === null ? image : withDisk(image, sandbox.disk_bytes)
}

/** The size as callers are told it. */
export function describeSize(row: SandboxRow, image: Image): Pick<VMInfo, "cpus" | "memory_mb" | "disk_gb"> {
  return { cpus: row.cpus, memory_mb: row.memory_mb, disk_gb: image.diskBytes / gibibyte }
}

/**
 * The size that a request asks for.
 *
 * @throws Failure `invalid_request` when this host never has as much, or the disk is smaller than the image's.
 */
export function chooseSize(
  {
    cpus = defaultSize.cpus,
    memory_mb = defaultSize.memoryMiB,
    disk_gb,
  }: Pick<CreateRequest, "cpus" | "memory_mb" | "disk_gb">,
  image: Image,
  room: MachineRoom,
): SandboxSize {
  const most = largestMachine(room)
  if (cpus > most.cpus) {
    throw tooMuch("cpus", `This server's host has ${most.cpus} processors: ask for no more.`)
  }
  if (memory_mb > most.memoryMiB) {
    throw tooMuch("memory_mb", `A machine can have ${most.memoryMiB} MiB of memory here: ask for no more.`)
  }
  const diskBytes = disk_gb === undefined ? null : disk_gb * gibibyte
  if (diskBytes !== null && diskBytes < image.blankBytes) {
    throw tooMuch(
      "disk_gb",
      `The smallest disk has ${Math.ceil(image.blankBytes / gibibyte)} GiB: ask for no less.`,
    )
  }
  return { cpus, memoryMiB: memory_mb, diskBytes }
}

/** A size from another host, as far as this one has as much. The disk stays as it is: it is full of somebody's files. */
export function fittingSize(
  size: { [Part in keyof SandboxSize]?: SandboxSize[Part] | undefined },
  room: MachineRoom,
): SandboxSize {
  const most = largestMachine(room)
  return {
    cpus: Math.min(size.cpus ?? defaultSize.cpus, most.cpus),
    memoryMiB: Math.min(size.memoryMiB ?? defaultSize.memoryMiB, most.memoryMiB),
    diskBytes: size.diskBytes ?? defaultSize.diskBytes,
  }
}

/** What one machine can have when it is alone. */
function largestMachine(room: MachineRoom): MachineSize {
  const memoryMiB = Math.floor(room.largestMemoryMiB / memoryStep) * memoryStep
  return { cpus: availableParallelism(), memoryMiB }
}

function tooMuch(field: string, message: string): Failure {
  return new Failure("invalid_request", message, { field })
}
