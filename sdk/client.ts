import type { Caller, Content } from "./call.js"
import { environment } from "./environment.js"
import { forkDeadlineMs } from "./fork-deadline.js"
import type { CreateResult, ForkResult, ListResult, SandboxResult } from "./results.js"
import { Sandbox, type ForkOptions } from "./sandbox.js"
import { isVMInfo, isVMList } from "./shapes.js"
import { stringArgument } from "./string-argument.js"
import { realEffects, Transport } from "./transport.js"
import type { WebSocketConstructor } from "./web-socket.js"
import type { LifetimeSettings, NetworkPolicy, Retention } from "./wire-types.js"

/** How to create a sandbox. */
export interface CreateOptions {
  /** Which snapshots are kept and how much disk it may take; the server's defaults when left out. */
  retention?: Retention | undefined
  /**
   * What the guest may reach over TCP and UDP: `"none"` when left out, `"internet"` for every public address, or
   * `{ allow: ["host or CIDR[:port]", …] }`. The server's own addresses, private, local and reserved ones stay out of reach
   * always. Forks and imports keep it.
   */
  network?: NetworkPolicy | undefined
  /**
   * What the snapshots hold that are taken after each command and change of files: `"disk"` (default), the files;
   * `"machine"`, memory and processes too, so that a restore brings those back as well. Forks keep it.
   */
  snapshots?: "disk" | "machine" | undefined
  /** Virtual processors; 1 when left out, at most as many as the host has. Forks and imports keep this and what follows. */
  cpus?: number | undefined
  /** Memory in MiB, a multiple of 256; 512 when left out. */
  memory_mb?: number | undefined
  /** Size of the disk in GiB; when left out that of the image, which is also the least. */
  disk_gb?: number | undefined
  /**
   * Seconds without activity after which it is paused, until it is used again; null for never. The server's default, which
   * is never unless it was set, when left out. Forks keep it.
   */
  idle_timeout?: LifetimeSettings["idle_timeout"]
  /** Seconds after which it is destroyed with all its snapshots, whatever it does then; never when left out. */
  ttl?: LifetimeSettings["ttl"]
  /** Whether a sandbox of yours that has the name already is as good; it stays as it is. Default false. */
  reuse?: boolean | undefined
}

const defaultBaseUrl = "http://localhost:4000"

/** What a client works with. */
export interface ClientOptions {
  /** The class of WebSockets for terminals, where the runtime has none of its own, as Node 20: that of the package `ws`. */
  WebSocket?: WebSocketConstructor | undefined
}

/** A server, as the holder of one API key sees it. No method rejects for what the server or the network does. */
export class Client {
  readonly #caller: Caller

  /**
   * @param api_key from OPENSANDBOX_API_KEY when left out
   * @param base_url from OPENSANDBOX_BASE_URL when left out, else http://localhost:4000
   * @throws TypeError when a key or URL is no string
   */
  constructor(api_key?: string, base_url?: string, options: ClientOptions = {}) {
    this.#caller = new Transport(
      stringArgument("api_key", api_key ?? environment("OPENSANDBOX_API_KEY") ?? ""),
      stringArgument("base_url", base_url ?? environment("OPENSANDBOX_BASE_URL") ?? defaultBaseUrl),
      { ...realEffects, WebSocket: options.WebSocket ?? realEffects.WebSocket },
    )
  }

  /**
   * Creates a sandbox: a virtual machine of its own, with the snapshot `initial`.
   * @param name unique on the server; 1 to 63 lower-case letters, digits and hyphens
   * @example
   * const created = await client.create("my-sandbox", { retention: { keep_last: 100 } })
   * const large = await client.create("large", { cpus: 2, memory_mb: 2048, disk_gb: 50 })
   * const same = await client.create("my-sandbox", { reuse: true })
   * if (same.success) console.log(same.sandbox.name, same.reused)
   */
  async create(name: string, options: CreateOptions = {}): Promise<CreateResult> {
    const body = { name: stringArgument("name", name), ...options }
    const answer = await this.#caller.call({ method: "POST", path: ["vms"], body }, isVMInfo)
    if (!answer.success) return answer
    const sandbox = new Sandbox(this.#caller, answer.body.name)
    return { success: true, sandbox, reused: answer.status === 200 }
  }

  /**
   * Makes new sandboxes from another one, which goes on: all of them or none. They share its disk until they change it.
   * With `memory` they are running copies of one instant, each with its own hostname, random generator and network.
   * @param from the sandbox to fork
   * @param names those of the new sandboxes, 1 to 100
   * @param options.snapshot the snapshot to begin from; the present when left out
   * @param options.memory whether memory and processes are copied too; a snapshot must hold them then
   * @example
   * const forks = await client.fork("my-sandbox", ["try-a", "try-b"])
   * if (forks.success) await Promise.all(forks.sandboxes.map((fork) => fork.run("make test")))
   */
  async fork(from: string, names: readonly string[], options: ForkOptions = {}): Promise<ForkResult> {
    const body = { names: names.map((name) => stringArgument("names", name)), ...options }
    const path = ["vms", stringArgument("from", from), "forks"]
    const deadlineMs = forkDeadlineMs(names.length)
    const answer = await this.#caller.call({ method: "POST", path, body, deadlineMs }, isVMList)
    if (!answer.success) return answer
    return { success: true, sandboxes: answer.body.vms.map(({ name }) => new Sandbox(this.#caller, name)) }
  }

  /**
   * Makes a sandbox of an archive that `Sandbox.export` gave, here or on another server. All of it is verified before
   * anything is made. Gives up when nothing moves for a minute.
   * @param archive a stream is read to its end, or cancelled; a browser may be able to send only what is no stream
   * @example
   * const exported = await here.sandbox("my-sandbox").export()
   * if (exported.success) await there.import("my-sandbox", exported.archive)
   */
  async import(name: string, archive: Content): Promise<SandboxResult> {
    const path = ["vms", stringArgument("name", name), "import"]
    const answer = await this.#caller.upload({ method: "POST", path }, archive, isVMInfo)
    return answer.success ? { success: true, sandbox: new Sandbox(this.#caller, answer.body.name) } : answer
  }

  /**
   * All sandboxes of the key.
   * @example
   * const listed = await client.list()
   * if (listed.success) for (const { name, status } of listed.vms) console.log(name, status)
   */
  async list(): Promise<ListResult> {
    const answer = await this.#caller.call({ method: "GET", path: ["vms"] }, isVMList)
    return answer.success ? { success: true, vms: answer.body.vms } : answer
  }

  /**
   * A sandbox that exists already. No request is made.
   * @example
   * const result = await client.sandbox("my-sandbox").run("uname -a")
   */
  sandbox(name: string): Sandbox {
    return new Sandbox(this.#caller, stringArgument("name", name))
  }
}
