import type { Client, Sandbox } from "opensandbox"
import { expectSuccess } from "../expect-success.js"
import { settledLayerBytes } from "../layer-space.js"
import type { ServerMetrics } from "../server-metrics.js"
import type { Peer } from "./peer.js"

/** Seconds: under software emulation a burst of files takes its time. */
const stepTimeout = 600

/** The product, as its users see it. */
export class OpenSandbox implements Peer {
  readonly name = "OpenSandbox"
  readonly about =
    "Commands run in a sandbox. A snapshot holds its whole disk, and its time is that of `sandbox.snapshot()` from the " +
    "call to the answer, after `run()` with `{ snapshot: false }`; users leave it to `run()`, which saves the second " +
    "request. A restore ends the machine and starts another on the snapshot; no process goes on."
  readonly #client: Client
  readonly #metrics: ServerMetrics
  readonly #dataDirectory: string
  #sandbox: Sandbox | undefined

  /** @param server Has no other sandboxes. */
  constructor(server: { client: Client; metrics: ServerMetrics; dataDirectory: string }) {
    this.#client = server.client
    this.#metrics = server.metrics
    this.#dataDirectory = server.dataDirectory
  }

  async prepare(): Promise<void> {
    this.#sandbox = expectSuccess(await this.#client.create("peer")).sandbox
  }

  async step(command: string): Promise<string> {
    const options = { timeout: stepTimeout, snapshot: false } as const
    const { stdout, stderr, exitCode } = expectSuccess(await this.#used.run(command, options))
    if (exitCode !== 0) throw new Error(`the command ended with ${exitCode}: ${stderr}`)
    return stdout
  }

  async snapshot(): Promise<string> {
    return expectSuccess(await this.#used.snapshot()).snapshot.snapshot_name
  }

  async restore(snapshot: string): Promise<void> {
    expectSuccess(await this.#used.restore(snapshot))
  }

  bytes(): Promise<number> {
    return settledLayerBytes({ dataDirectory: this.#dataDirectory, metrics: this.#metrics })
  }

  async close(): Promise<void> {
    const sandbox = this.#sandbox
    this.#sandbox = undefined
    if (sandbox !== undefined) expectSuccess(await sandbox.destroy())
  }

  get #used(): Sandbox {
    if (this.#sandbox === undefined) throw new Error("the sandbox was not prepared")
    return this.#sandbox
  }
}
