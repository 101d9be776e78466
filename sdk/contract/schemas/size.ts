import { z } from "zod"

/** `memory_mb` is a multiple of it: each size of memory takes a template of its own on the host's disk. */
export const memoryStep = 256

/** The largest disk, in GiB. */
export const mostDiskGb = 1024

const cpusRule = '"cpus" must be a whole number from 1 to 64'
const memoryRule = `"memory_mb" must be a multiple of ${memoryStep} from ${memoryStep} to 1048576`
const diskRule = `"disk_gb" must be a whole number from 1 to ${mostDiskGb}`

export const cpus = z
  .int({ error: cpusRule })
  .min(1, { error: cpusRule })
  .max(64, { error: cpusRule })
  .describe("Virtual processors; at most as many as the host has.")

export const memoryMb = z
  .int({ error: memoryRule })
  .min(memoryStep, { error: memoryRule })
  .max(1024 * 1024, { error: memoryRule })
  .multipleOf(memoryStep, { error: memoryRule })
  .describe(`Memory in MiB, a multiple of ${memoryStep}.`)

export const diskGb = z
  .int({ error: diskRule })
  .min(1, { error: diskRule })
  .max(mostDiskGb, { error: diskRule })
  .describe(
    "Size of the disk in GiB; at least that of the image's. Only what is written takes room on the host.",
  )
