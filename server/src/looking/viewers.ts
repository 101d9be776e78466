import { AgentError, DeadlineError, within, type Viewer } from "@opensandbox/vm"
import type { Logger } from "pino"
import { Failure } from "../failure.js"
import type { SealedDisk } from "../layers/layer-files.js"
import { asFailure } from "../storage/storage-failure.js"

/** How many viewers there may be: each takes a machine's memory. */
const capacity = 4

/** How long a viewer is kept after its last use: who looks once mostly looks again. */
const idleMilliseconds = 30_000

/** How long a look may wait for its turn, and how long it may take. */
const waitMilliseconds = 30_000
const lookMilliseconds = 60_000

/** How often a look begins anew because its viewer broke. */
const maxAttempts = 2

/** A viewer from its opening to its end. */
interface Place {
  readonly disk: SealedDisk
  readonly viewer: Promise<Viewer>
  looks: number
  idle: NodeJS.Timeout | undefined
  /** Settles when nothing of the viewer is left; undefined while it can be used. */
  end: Promise<void> | undefined
}

/** The viewers of a server. All who look at the same layer share one. */
export class Viewers {
  readonly #open: (disk: SealedDisk) => Promise<Viewer>
  readonly #log: Logger
  /** The least recently used one first; those that are ending are among them. */
  readonly #places = new Set<Place>()
  /** Called when those who wait may have their turn. */
  readonly #waiting = new Set<() => void>()
  #closing = false

  /** @param open Opens a viewer. Nothing may be left of one that is closed or could not be opened. */
  constructor(open: (disk: SealedDisk) => Promise<Viewer>, log: Logger) {
    this.#open = open
    this.#log = log
  }

  /**
   * Looks into a layer, once more if the viewer breaks. `look` must not wait for a look at another layer: it holds a
   * place that the other may need.
   *
   * @throws the Failure or AgentError of `look`; Failure `unavailable`, `timeout`, `disk_full`.
   */
  async look<T>(disk: SealedDisk, look: (viewer: Viewer) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const place = await this.#take(disk)
      try {
        const viewer = await place.viewer
        return await within(lookMilliseconds, "a look into a snapshot", look(viewer))
      } catch (error) {
        if (error instanceof AgentError || error instanceof Failure) throw error
        void this.#end(place)
        if (this.#closing) throw shuttingDown()
        this.#log.warn({ layer: disk.layer, attempt, err: error }, "a viewer broke")
        if (error instanceof DeadlineError)
          throw new Failure("timeout", "Looking into the snapshot took too long.")
        if (attempt === maxAttempts) throw asFailure(error)
      } finally {
        this.#release(place)
      }
    }
  }

  /** Ends the viewers that nobody uses just now. */
  async endIdle(): Promise<void> {
    const idle = [...this.#places].filter(({ looks }) => looks === 0)
    await Promise.all(idle.map((place) => this.#end(place)))
  }

  /** Ends all viewers; looks under way fail with `unavailable`. */
  async close(): Promise<void> {
    this.#closing = true
    this.#wake()
    await Promise.all([...this.#places].map((place) => this.#end(place)))
  }

  async #take(disk: SealedDisk): Promise<Place> {
    const deadline = performance.now() + waitMilliseconds
    for (;;) {
      if (this.#closing) throw shuttingDown()
      const place = this.#find(disk) ?? this.#add(disk)
      if (place !== undefined) {
        clearTimeout(place.idle)
        place.looks += 1
        return place
      }
      await this.#turn(deadline - performance.now())
    }
  }

  #find({ layer, imageKey }: SealedDisk): Place | undefined {
    return [...this.#places].find(
      ({ disk, end }) => end === undefined && disk.layer === layer && disk.imageKey === imageKey,
    )
  }

  /** Undefined while there is no room; then the least recently used viewer goes, if there is one that nobody uses. */
  #add(disk: SealedDisk): Place | undefined {
    if (this.#places.size >= capacity) {
      const places = [...this.#places]
      const unused = places.find(({ looks }) => looks === 0)
      if (unused !== undefined && places.every(({ end }) => end === undefined)) void this.#end(unused)
      return undefined
    }
    const viewer = this.#open(disk)
    const place: Place = { disk, viewer, looks: 0, idle: undefined, end: undefined }
    this.#places.add(place)
    const end = () => this.#end(place)
    viewer.then(({ closed }) => closed.then(end), end)
    return place
  }

  #release(place: Place): void {
    place.looks -= 1
    if (place.looks > 0 || place.end !== undefined) return
    this.#places.delete(place)
    this.#places.add(place)
    place.idle = setTimeout(() => void this.#end(place), idleMilliseconds)
    this.#wake()
  }

  #end(place: Place): Promise<void> {
    place.end ??= this.#remove(place)
    return place.end
  }

  async #remove(place: Place): Promise<void> {
    clearTimeout(place.idle)
    const viewer = await place.viewer.catch(() => undefined)
    await viewer?.close().catch((error: unknown) => {
      this.#log.error({ layer: place.disk.layer, err: error }, "a viewer could not be closed")
    })
    this.#places.delete(place)
    this.#wake()
  }

  #wake(): void {
    for (const wake of this.#waiting) wake()
  }

  async #turn(milliseconds: number): Promise<void> {
    let wake: (() => void) | undefined
    const turn = new Promise<void>((resolve) => {
      wake = resolve
      this.#waiting.add(resolve)
    })
    try {
      await within(milliseconds, "a turn", turn)
    } catch {
      throw new Failure(
        "unavailable",
        "The server looks into as many snapshots at once as it can. Try again in a moment.",
      )
    } finally {
      if (wake !== undefined) this.#waiting.delete(wake)
    }
  }
}

function shuttingDown(): Failure {
  return new Failure("unavailable", "The server is shutting down.")
}
