import type { Retention } from "../config.js"
import { Failure } from "../failure.js"
import type { SandboxRow, SnapshotRow } from "../store/tables.js"
import type { SandboxMeans } from "./means.js"
import { effectiveRetention, expired } from "./retention.js"
import type { RetentionRequest } from "./sandbox-service.js"
import { asFailure } from "../storage/storage-failure.js"
import type { Turns } from "./turns.js"

/** Holds one sandbox to its limits: how many snapshots it keeps, for how long, and how much disk it takes. */
export class HistoryLimits {
  readonly #sandbox: SandboxRow
  readonly #means: SandboxMeans
  readonly #turns: Turns
  readonly #forget: (snapshots: readonly SnapshotRow[]) => Promise<void>
  #own: RetentionRequest

  /** @param forget Deletes snapshots; is called in a turn of its own. */
  constructor(
    sandbox: SandboxRow,
    means: SandboxMeans,
    turns: Turns,
    forget: (snapshots: readonly SnapshotRow[]) => Promise<void>,
  ) {
    this.#sandbox = sandbox
    this.#means = means
    this.#turns = turns
    this.#forget = forget
    this.#own = JSON.parse(sandbox.retention) as RetentionRequest
  }

  /** Its own limits as they are now; the row that the sandbox was opened with may hold earlier ones. */
  get own(): RetentionRequest {
    return this.#own
  }

  /** What holds for the sandbox: its own limits, and the server's where it has none. */
  get effective(): Retention {
    return effectiveRetention(this.#own, this.#means.retention)
  }

  /** Gives the sandbox limits of its own, and holds it to them. */
  async set(own: RetentionRequest): Promise<void> {
    await this.#turns.take(async () => {
      await this.#means.store.setRetention(this.#sandbox.id, JSON.stringify(own)).catch((error: unknown) => {
        throw asFailure(error)
      })
      this.#own = own
      await this.#forgetExpired()
    })
  }

  /** What the sandbox's layers and memories take on the disk, those included that it shares with others. */
  async diskBytes(): Promise<number> {
    const { store, layers, room } = this.#means
    const [head] = await layers.writable(this.#sandbox.id)
    const facts = head && (await room.disk.facts(head.id))
    const { id } = this.#sandbox
    return (await store.sealedBytes(id)) + (await store.memoryBytes(id)) + (facts?.bytes ?? 0)
  }

  /** @throws Failure `quota_exceeded` when the sandbox takes as much as it may. */
  async requireRoom(): Promise<void> {
    const { quotaBytes } = this.effective
    if (quotaBytes === null) return
    const bytes = await this.diskBytes()
    if (bytes < quotaBytes) return
    throw new Failure(
      "quota_exceeded",
      `The sandbox "${this.#sandbox.name}" takes ${bytes} bytes on the disk, and its quota is ${quotaBytes}: ` +
        "delete snapshots, go back to an earlier one, or raise the quota. Nothing is lost.",
    )
  }

  /** Deletes what the limits do not allow any more, in the background. */
  enforce(): void {
    const { keepLast, keepDays, maxBytes } = this.effective
    if (keepLast === null && keepDays === null && maxBytes === null) return
    this.#turns
      .take(() => this.#forgetExpired())
      .catch((error: unknown) => {
        if (this.#turns.over) return
        const { log } = this.#means
        log.warn({ sandbox: this.#sandbox.name, err: error }, "expired snapshots could not be deleted")
      })
  }

  async #forgetExpired(): Promise<void> {
    const { store, compactor } = this.#means
    const limits = this.effective
    const [newest] = await store.newestSnapshots(this.#sandbox.id, 1)
    const expendable = await store.expendableSnapshots(this.#sandbox.id)
    const bytes = limits.maxBytes === null ? 0 : await this.diskBytes()
    const gone = expired(expendable, newest?.id ?? 0, limits, Date.now(), bytes)
    if (gone.length === 0) return
    await this.#forget(gone)
    if (limits.maxBytes === null) return
    // What that gave back shows once other layers have taken in what they needed of it.
    void compactor.idle().then(() => {
      this.enforce()
    })
  }
}
