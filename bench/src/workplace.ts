import { randomBytes } from "node:crypto"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ServerProcess, type ServerOptions } from "./server-process.js"

/** Owns what the benchmarks start and write outside the repository, and leaves nothing of it. */
export class Workplace {
  /** Every server here accepts it. */
  readonly apiKey = `ws_${randomBytes(24).toString("hex")}`
  readonly #closings: (() => Promise<void>)[] = []

  /** Gives `work` a workplace that is closed when it is over, by itself or by a signal, which ends the process. */
  static async during(work: (workplace: Workplace) => Promise<void>): Promise<void> {
    const workplace = new Workplace()
    let interrupted: Promise<void> | undefined
    const interrupt = () => {
      interrupted ??= workplace
        .#close()
        .catch((error: unknown) => {
          console.error(error)
        })
        .finally(() => process.exit(1))
    }
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, interrupt)
    try {
      await work(workplace)
    } finally {
      // Work that breaks off because everything is taken away from it has nothing to tell.
      await (interrupted ?? workplace.#close())
    }
  }

  /** Has `close` called at the end, before that of everything that was there earlier. It may find its work done. */
  onClose(close: () => Promise<void>): void {
    this.#closings.unshift(close)
  }

  /** A new, empty directory. */
  async directory(): Promise<string> {
    const directory = await mkdtemp(join(tmpdir(), "opensandbox-bench-"))
    this.onClose(() => rm(directory, { recursive: true, force: true }))
    return directory
  }

  /** Starts a server; fulfilled when it is ready. */
  startServer(options: Omit<ServerOptions, "apiKey">): Promise<ServerProcess> {
    const server = ServerProcess.start({ ...options, apiKey: this.apiKey })
    // One that did not start has ended already.
    this.onClose(() => server.then((started) => started.stop()).catch(() => undefined))
    return server
  }

  async #close(): Promise<void> {
    const failures: unknown[] = []
    for (const close of this.#closings) await close().catch((error: unknown) => failures.push(error))
    if (failures.length > 0) throw new AggregateError(failures, "not everything could be removed")
  }
}
