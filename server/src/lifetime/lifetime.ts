import type { Logger } from "pino"
import type { RouteBody } from "opensandbox/contract"
import { asFailure } from "../storage/storage-failure.js"
import type { SandboxRow } from "../store/tables.js"
import type { Alarms } from "./alarms.js"
import { Expiry } from "./expiry.js"
import { Idleness } from "./idleness.js"

/** What an owner sets: what is left out stays as it is, null is never. */
export type LifetimeRequest = RouteBody<"setLifetime">

/** What is recorded of it. */
export interface RecordedLifetime {
  /** Seconds; 0 is never, null the server's default. */
  readonly idle_timeout: number | null
  /** Unix milliseconds; null is never. */
  readonly expires_at: number | null
}

/** What lifetimes work with. */
export interface LifetimeMeans {
  readonly alarms: Alarms
  readonly store: { setLifetime(sandboxId: number, lifetime: RecordedLifetime): Promise<void> }
  readonly log: Logger
  /** Seconds without activity after which sandboxes are paused that have no timeout of their own; null for never. */
  readonly idleTimeout: number | null
}

/** When one sandbox is paused and destroyed by itself. Nothing is until `start`. */
export class Lifetime {
  readonly #sandbox: SandboxRow
  readonly #means: LifetimeMeans
  readonly #idleness: Idleness
  #recorded: RecordedLifetime
  #expiry: Expiry | undefined

  /** @param pauseWhenIdle Pauses it, unless `isIdle` denies it by then, or it does not run. */
  constructor(sandbox: SandboxRow, means: LifetimeMeans, pauseWhenIdle: () => Promise<void>) {
    this.#sandbox = sandbox
    this.#means = means
    this.#recorded = sandbox
    const { alarms, log } = means
    this.#idleness = new Idleness(alarms, this.#timeoutMs, {
      pause: pauseWhenIdle,
      failed: (error) => {
        log.warn({ sandbox: sandbox.name, err: error }, "an idle sandbox could not be paused; it goes on")
      },
    })
  }

  /** Seconds without activity after which it is paused; null for never. */
  get idleTimeout(): number | null {
    const own = this.#recorded.idle_timeout
    return own === null ? this.#means.idleTimeout : own === 0 ? null : own
  }

  /** What a sandbox that is made of it has too. When it is destroyed is its own. */
  get passedOn(): Pick<LifetimeRequest, "idle_timeout"> {
    const own = this.#recorded.idle_timeout
    return own === null ? {} : { idle_timeout: own === 0 ? null : own }
  }

  /** When it is destroyed, in Unix milliseconds; null for never. */
  get expiresAt(): number | null {
    return this.#recorded.expires_at
  }

  /** Whether nothing keeps it awake, and nothing did for its whole timeout. */
  get isIdle(): boolean {
    return this.#idleness.isLongEnough
  }

  /** Has it destroyed when its time is over, at once where that was while no server ran. */
  start(destroy: () => Promise<void>): void {
    const { alarms, log } = this.#means
    this.#expiry = new Expiry(alarms, this.#recorded.expires_at, {
      destroy,
      failed: (error) => {
        const { name } = this.#sandbox
        log.error({ sandbox: name, err: error }, "a sandbox whose time is over could not be destroyed")
      },
    })
  }

  /** Something that keeps it awake begins; the answer says that it is over. */
  begin(): () => void {
    return this.#idleness.begin()
  }

  /** Keeps it awake until the activity has ended. */
  async during<T>(activity: () => Promise<T>): Promise<T> {
    const end = this.begin()
    try {
      return await activity()
    } finally {
      end()
    }
  }

  /** @throws Failure when it cannot be recorded; all is as it was then. */
  async set(request: LifetimeRequest): Promise<void> {
    const { alarms, store } = this.#means
    const recorded = recordOf(request, alarms.now, this.#recorded)
    await store.setLifetime(this.#sandbox.id, recorded).catch((error: unknown) => {
      throw asFailure(error)
    })
    this.#recorded = recorded
    this.#idleness.setTimeout(this.#timeoutMs)
    this.#expiry?.set(recorded.expires_at)
  }

  /** Nothing happens by itself any more. */
  end(): void {
    this.#idleness.end()
    this.#expiry?.end()
  }

  get #timeoutMs(): number | null {
    const seconds = this.idleTimeout
    return seconds === null ? null : seconds * 1000
  }
}

/** The lifetime of a sandbox that is given none. */
const endless: RecordedLifetime = { idle_timeout: null, expires_at: null }

/**
 * What is recorded of a request.
 *
 * @param now Unix milliseconds.
 * @param before What holds where it says nothing.
 */
export function recordOf(
  { idle_timeout, ttl }: LifetimeRequest,
  now: number,
  before: RecordedLifetime = endless,
): RecordedLifetime {
  return {
    idle_timeout: idle_timeout === undefined ? before.idle_timeout : (idle_timeout ?? 0),
    expires_at: ttl === undefined ? before.expires_at : ttl === null ? null : now + ttl * 1000,
  }
}
