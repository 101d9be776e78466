import type { Accelerator } from "../accelerator/accelerator.js"
import { translationBufferMiB } from "./command-line.js"

/** What a machine has of its host. */
export interface MachineSize {
  /** Virtual processors. */
  readonly cpus: number
  readonly memoryMiB: number
}

/** Heap, stacks and buffers of QEMU itself, well above what was seen. */
const processMiB = 64

/** What a machine takes beside its guest's memory, at most. */
export function overheadMiB(accelerator: Accelerator): number {
  return processMiB + (accelerator === "tcg" ? translationBufferMiB : 0)
}
