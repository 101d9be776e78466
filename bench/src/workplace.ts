import { randomBytes } from "node:crypto"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ServerProcess, type ServerOptions } from "./server-process.js"

/** Owns what the benchmarks start and write outside the repository, and leaves nothing of it. */
export class Workplace {
  /** Every server here accepts it. */
  readonly apiKey = `ws_${randomBytes(24).toString("hex")}`
  readonly #directories: string[] = []
  readonly #servers = new Set<Promise<ServerProcess>>()

  /** A new, empty directory. */
  async directory(): Promise<string> {
    const directory = await mkdtemp(join(tmpdir(), "opensandbox-bench-"))
    this.#directories.push(directory)
    return directory
  }

  /** Starts a server; fulfilled when it is ready. */
  startServer(options: Omit<ServerOptions, "apiKey">): Promise<ServerProcess> {
    const server = ServerProcess.start({ ...options, apiKey: this.apiKey })
    this.#servers.add(server)
    return server
  }

  /** Ends all servers, then removes all directories. */
  async close(): Promise<void> {
    for (const server of this.#servers) {
      // One that did not start has ended already.
      await server.then((started) => started.stop()).catch(() => undefined)
    }
    for (const directory of this.#directories) await rm(directory, { recursive: true, force: true })
  }
}
