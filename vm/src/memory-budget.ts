import type { MachineId } from "./machine/machine.js"

/** Of the memory that machines may have, too little is left for another one. */
export class MemoryShortageError extends Error {
  override name = "MemoryShortageError"
  /** What the machine takes. */
  readonly neededMiB: number
  /** How much of that is not there. */
  readonly missingMiB: number

  constructor(neededMiB: number, missingMiB: number) {
    super(`a machine of ${neededMiB} MiB does not fit: ${missingMiB} MiB are missing`)
    this.neededMiB = neededMiB
    this.missingMiB = missingMiB
  }
}

/** Ends machines that nobody needs, as far as there are any. @param missingMiB How much shall become free. */
export type MemoryRelief = (missingMiB: number) => Promise<void>

/** Machines that take memory from each other: what the largest of them has. */
type Share = Map<MachineId, number>

/**
 * The memory that all machines may have together. Each counts from before it starts until it is gone, with all that it
 * may ever use: what was admitted need not be ended later because others grew.
 */
export class MemoryBudget {
  readonly totalMiB: number
  readonly #shares = new Map<MachineId, Share>()
  readonly #reliefs = new Set<MemoryRelief>()

  constructor(totalMiB: number) {
    this.totalMiB = totalMiB
  }

  /** What the machines count for that there are. More than the total only if they were there before the budget was. */
  get committedMiB(): number {
    return [...new Set(this.#shares.values())].reduce((sum, share) => sum + sizeOf(share), 0)
  }

  /**
   * Counts a machine that is about to start. When it does not fit, those who hold machines in reserve are asked to end them.
   *
   * @param inPlaceOf A machine that this one replaces and that ends soon: until then both count as one, as a restore that
   *   needed room for a second one could never go back on a full host.
   * @throws MemoryShortageError
   */
  async admit(machine: MachineId, mebibytes: number, inPlaceOf?: MachineId): Promise<void> {
    if (this.#take(machine, mebibytes, inPlaceOf) <= 0) return
    for (const relief of this.#reliefs) {
      await relief(this.#missing(machine, mebibytes, inPlaceOf))
      if (this.#take(machine, mebibytes, inPlaceOf) <= 0) return
    }
    throw new MemoryShortageError(mebibytes, this.#missing(machine, mebibytes, inPlaceOf))
  }

  /** Counts a machine that runs already, whether it fits or not. */
  count(machine: MachineId, mebibytes: number): void {
    this.#shareFor(machine, undefined).set(machine, mebibytes)
  }

  /** Gives back what a machine counted for; no error for one that does not count. */
  release(machine: MachineId): void {
    this.#shares.get(machine)?.delete(machine)
    this.#shares.delete(machine)
  }

  /** Has `relief` called before a machine is refused; the answer ends that. */
  onShortage(relief: MemoryRelief): () => void {
    this.#reliefs.add(relief)
    return () => {
      this.#reliefs.delete(relief)
    }
  }

  /** @returns what is missing; nothing was taken if anything is. */
  #take(machine: MachineId, mebibytes: number, inPlaceOf: MachineId | undefined): number {
    const missing = this.#missing(machine, mebibytes, inPlaceOf)
    if (missing <= 0) this.#shareFor(machine, inPlaceOf).set(machine, mebibytes)
    return missing
  }

  #missing(machine: MachineId, mebibytes: number, inPlaceOf: MachineId | undefined): number {
    const share = this.#replaced(inPlaceOf) ?? this.#shares.get(machine)
    const present = share === undefined ? 0 : sizeOf(share)
    const grows = Math.max(present, mebibytes) - present
    return grows === 0 ? 0 : this.committedMiB + grows - this.totalMiB
  }

  /** The share that a machine counts in from now on: that of the one it replaces, or its own. */
  #shareFor(machine: MachineId, inPlaceOf: MachineId | undefined): Share {
    const share = this.#replaced(inPlaceOf) ?? this.#shares.get(machine) ?? new Map<MachineId, number>()
    if (this.#shares.get(machine) !== share) this.release(machine)
    this.#shares.set(machine, share)
    return share
  }

  #replaced(inPlaceOf: MachineId | undefined): Share | undefined {
    return inPlaceOf === undefined ? undefined : this.#shares.get(inPlaceOf)
  }
}

function sizeOf(share: Share): number {
  return Math.max(0, ...share.values())
}
