import { randomBytes } from "node:crypto"

/** Names a memory: what a guest's memory and devices held at one instant. Also its file's name. */
export type MemoryId = string

const pattern = /^r[0-9a-f]{16}$/

export function newMemoryId(): MemoryId {
  return `r${randomBytes(8).toString("hex")}`
}

export function isMemoryId(text: string): boolean {
  return pattern.test(text)
}

/** What a memory's file says of itself. */
export interface MemoryFacts {
  /** What the file takes on the disk. */
  readonly bytes: number
  /** Pages of the guest that it holds: those that differ from what it rests on, but not those that are all zero. */
  readonly pages: number
  /** The `id` of the template that it rests on in the end. */
  readonly template: string
  /** The memory that it rests on; null for the template alone. */
  readonly parent: MemoryId | null
  readonly compressed: boolean
}

/** A memory that no machine can be made from. What is on the disk at the same instant is another matter. */
export class DamagedMemoryError extends Error {
  override name = "DamagedMemoryError"
  readonly memory: MemoryId
  /** What is wrong with it, as in "its file is missing". */
  readonly damage: string

  constructor(memory: MemoryId, damage: string, options?: ErrorOptions) {
    super(`memory ${memory}: ${damage}`, options)
    this.memory = memory
    this.damage = damage
  }
}
