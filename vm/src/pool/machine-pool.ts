/** A machine that waits to be used. */
export interface PooledMachine {
  /** Whether it can be used. Once it is false it stays so. */
  readonly usable: boolean
  /** Settles when it cannot be used any more. */
  readonly broken: Promise<void>
  /** Ends it, and removes what it left behind. */
  end(): Promise<void>
}

/** What a pool works with. */
export interface PoolMeans<Pooled extends PooledMachine> {
  /** How many machines it keeps at most. */
  readonly size: number
  make(): Promise<Pooled>
  /** How many machines there may be just now. It is asked before one is made, and every few seconds. */
  allowed(): Promise<number>
  /** Whether the host has so little else to do that making a machine slows nobody down. */
  hostIsIdle(): Promise<boolean>
  /** Is told what could not be made or ended. */
  onTrouble(error: unknown): void
}

/** How long no machine may have been started before the pool makes one: who starts one mostly uses it at once. */
const quietMilliseconds = 300

/** How long a busy host keeps the pool from being filled. One that is never idle needs warm machines most of all. */
const patienceMilliseconds = 3_000

/** How often the pool looks whether its size still is what it should be, and tries again what went wrong. */
const lookMilliseconds = 5_000

/** Keeps machines that were started ahead of time. What is taken is made again in the background. */
export class MachinePool<Pooled extends PooledMachine> {
  readonly #means: PoolMeans<Pooled>
  readonly #machines: Pooled[] = []
  /** Those that are on their way in or out. */
  readonly #moving = new Set<Promise<void>>()
  #startsUnderWay = 0
  /** When the host began to be too busy for the pool; undefined while it is not. */
  #busySince: number | undefined
  #timer: NodeJS.Timeout | undefined
  #filling = false
  #closed = false

  constructor(means: PoolMeans<Pooled>) {
    this.#means = means
    this.#lookIn(0)
  }

  /** How many machines wait to be used. */
  get size(): number {
    return this.#machines.length
  }

  /** A machine, unless there is none. It is the caller's from then on. */
  take(): Pooled | undefined {
    for (let machine = this.#machines.shift(); machine !== undefined; machine = this.#machines.shift()) {
      if (machine.usable) return machine
      this.#end(machine)
    }
    return undefined
  }

  /** Keeps the pool from being filled while a machine is started, from the pool or not. */
  async during<T>(start: () => Promise<T>): Promise<T> {
    this.#startsUnderWay += 1
    try {
      return await start()
    } finally {
      this.#startsUnderWay -= 1
      this.#lookIn(quietMilliseconds)
    }
  }

  /** Ends machines that are more than there may be. */
  async trim(): Promise<void> {
    for (const machine of this.#machines.splice(await this.#wanted())) this.#end(machine)
  }

  /** Ends all machines; none is made any more. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    for (const machine of this.#machines.splice(0)) this.#end(machine)
    while (this.#moving.size > 0) await Promise.all(this.#moving)
  }

  /** Looks after the pool in a while, instead of when that was to be. */
  #lookIn(milliseconds: number): void {
    clearTimeout(this.#timer)
    if (this.#closed || this.#means.size === 0) return
    this.#timer = setTimeout(() => {
      if (!this.#filling && this.#startsUnderWay === 0) this.#track(this.#look())
    }, milliseconds)
    this.#timer.unref()
  }

  async #look(): Promise<void> {
    this.#filling = true
    let next = lookMilliseconds
    try {
      await this.trim()
      if (this.#machines.length < (await this.#wanted()) && !this.#closed) {
        next = quietMilliseconds
        if (await this.#mayMake()) this.#add(await this.#means.make())
      }
    } catch (error) {
      next = lookMilliseconds
      this.#means.onTrouble(error)
    } finally {
      this.#filling = false
      this.#lookIn(next)
    }
  }

  /** How many machines there should be just now. */
  async #wanted(): Promise<number> {
    return Math.max(0, Math.min(this.#means.size, await this.#means.allowed()))
  }

  async #mayMake(): Promise<boolean> {
    const idle = await this.#means.hostIsIdle()
    const now = performance.now()
    this.#busySince = idle ? undefined : (this.#busySince ?? now)
    const patient = this.#busySince !== undefined && now - this.#busySince < patienceMilliseconds
    return !patient && this.#startsUnderWay === 0 && !this.#closed
  }

  #add(machine: Pooled): void {
    if (this.#closed) {
      this.#end(machine)
      return
    }
    this.#machines.push(machine)
    void machine.broken.then(() => {
      const at = this.#machines.indexOf(machine)
      if (at < 0) return
      this.#machines.splice(at, 1)
      this.#end(machine)
      // Not at once: where one broke, the next may break as well.
      this.#lookIn(lookMilliseconds)
    })
  }

  #end(machine: Pooled): void {
    this.#track(
      machine.end().catch((error: unknown) => {
        this.#means.onTrouble(error)
      }),
    )
  }

  #track(moving: Promise<void>): void {
    this.#moving.add(moving)
    void moving.then(() => this.#moving.delete(moving))
  }
}
