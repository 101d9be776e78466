import { readFile } from "node:fs/promises"
import { setTimeout as sleep } from "node:timers/promises"

/** For how long the processors are watched: some ten of the kernel's ticks each. */
const watchMilliseconds = 100

/** Less than one processor with nothing to do means that what is added slows something down. */
const spareProcessor = 0.75

/** Bytes of memory that could be given to a new program without swapping. */
export async function availableMemory(): Promise<number> {
  return memoryField(await readFile("/proc/meminfo", "utf8"), "MemAvailable")
}

/** A field of /proc/meminfo in bytes. @throws Error when there is no such field. */
export function memoryField(meminfo: string, name: string): number {
  const kibibytes = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(meminfo)?.[1]
  if (kibibytes === undefined) throw new Error(`the kernel does not tell ${name}`)
  return Number(kibibytes) * 1024
}

/** Whether a processor of the host has next to nothing to do, or several have that much together. */
export async function hostIsIdle(): Promise<boolean> {
  const before = processorTime(await readFile("/proc/stat", "utf8"))
  await sleep(watchMilliseconds)
  return spareProcessors(before, processorTime(await readFile("/proc/stat", "utf8"))) >= spareProcessor
}

/** Time that all processors have spent so far, in ticks. */
interface ProcessorTime {
  readonly processors: number
  readonly idle: number
  readonly total: number
}

/** Reads /proc/stat. */
export function processorTime(stat: string): ProcessorTime {
  const fields = /^cpu +([\d ]+)$/m.exec(stat)?.[1]?.split(" ").map(Number) ?? []
  const [
    user = 0,
    nice = 0,
    system = 0,
    idle = 0,
    waiting = 0,
    interrupts = 0,
    softInterrupts = 0,
    stolen = 0,
  ] = fields
  const busy = user + nice + system + interrupts + softInterrupts + stolen
  return {
    processors: stat.match(/^cpu\d/gm)?.length ?? 1,
    idle: idle + waiting,
    total: busy + idle + waiting,
  }
}

/** How many processors had nothing to do between two readings, on average. */
export function spareProcessors(before: ProcessorTime, after: ProcessorTime): number {
  const passed = after.total - before.total
  return passed === 0 ? 0 : (after.processors * (after.idle - before.idle)) / passed
}
