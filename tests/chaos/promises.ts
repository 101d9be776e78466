/** A snapshot that was promised. What is undefined was in an answer that never came. */
export interface PromisedSnapshot {
  readonly name: string | undefined
  /** The hash of the workspace that it holds. */
  readonly hash: string | undefined
}

/** All sandboxes by name, each with its snapshots from the oldest to the newest. */
export type World = Readonly<Record<string, readonly PromisedSnapshot[]>>

/** What a server lists: the names of each sandbox's snapshots. */
export type Listing = Readonly<Record<string, readonly string[]>>

/**
 * What the callers of a server were promised. While a request is under way, and after a crash in the middle of one, more
 * than one world is right: that without its effect, and those with it.
 */
export class Promises {
  #world: World = {}
  #possible: readonly World[] = []
  #refused = false

  /** What was acknowledged. */
  get world(): World {
    return this.#world
  }

  /** The snapshots of a sandbox that were acknowledged. @throws Error when there is no such sandbox. */
  of(sandbox: string): readonly PromisedSnapshot[] {
    const snapshots = this.#world[sandbox]
    if (snapshots === undefined) throw new Error(`nobody was promised a sandbox "${sandbox}"`)
    return snapshots
  }

  /** The world as it was acknowledged, but for these sandboxes; those without snapshots are gone. */
  with(changes: Readonly<Record<string, readonly PromisedSnapshot[] | undefined>>): World {
    const sandboxes = Object.entries({ ...this.#world, ...changes })
    return Object.fromEntries(
      sandboxes.flatMap(([name, snapshots]) => (snapshots ? [[name, snapshots]] : [])),
    )
  }

  /** A request is under way that may have one of these effects. */
  begin(worlds: readonly World[]): void {
    this.#possible = worlds
    this.#refused = false
  }

  /** It was answered with a failure: what is listed has not changed, though a command may have changed the present. */
  refuse(): void {
    this.#refused = true
  }

  /** It was acknowledged, or had no effect. */
  settle(world: World = this.#world): void {
    this.#world = world
    this.#possible = []
    this.#refused = false
  }

  /**
   * The hashes of which a sandbox's workspace may have one: that of its last snapshot in each world that is right.
   *
   * @returns undefined when it may have any.
   */
  presentHashes(sandbox: string): readonly string[] | undefined {
    const last = [this.#world, ...this.#possible].flatMap((world) => world[sandbox]?.slice(-1) ?? [])
    const hashes = last.map(({ hash }) => hash).filter((hash) => hash !== undefined)
    return hashes.length === last.length ? hashes : undefined
  }

  /**
   * Finds out which of the worlds that are right a server shows after a crash, and goes on from that one.
   *
   * @throws Error when it is none: something acknowledged is missing, or something is there that nobody asked for.
   */
  reconcile(listing: Listing): void {
    const right = [this.#world, ...(this.#refused ? [] : this.#possible)]
    const shown = right.find((world) => matches(world, listing))
    if (shown === undefined)
      throw new Error(`the server shows ${JSON.stringify(listing)}; right is ${JSON.stringify(right)}`)
    const named = Object.entries(shown).map(([sandbox, snapshots]) => [
      sandbox,
      snapshots.map(({ hash }, at) => ({ name: listing[sandbox]?.[at], hash })),
    ])
    this.settle(Object.fromEntries(named) as World)
  }
}

function matches(world: World, listing: Listing): boolean {
  return (
    Object.keys(listing).length === Object.keys(world).length &&
    Object.entries(world).every(([sandbox, snapshots]) => {
      const names = listing[sandbox]
      if (names?.length !== snapshots.length) return false
      return snapshots.every(({ name }, at) => name === undefined || name === names[at])
    })
  )
}
