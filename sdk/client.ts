import type { Caller } from "./call.js"
import { environment } from "./environment.js"
import type { CreateResult, ListResult } from "./results.js"
import { Sandbox } from "./sandbox.js"
import { isVMInfo, isVMList } from "./shapes.js"
import { stringArgument } from "./string-argument.js"
import { Transport } from "./transport.js"

const defaultBaseUrl = "http://localhost:4000"

/** A server, as the holder of one API key sees it. No method rejects for what the server or the network does. */
export class Client {
  readonly #caller: Caller

  /**
   * @param api_key from OPENSANDBOX_API_KEY when left out
   * @param base_url from OPENSANDBOX_BASE_URL when left out, else http://localhost:4000
   * @throws TypeError when an argument is no string
   */
  constructor(api_key?: string, base_url?: string) {
    this.#caller = new Transport(
      stringArgument("api_key", api_key ?? environment("OPENSANDBOX_API_KEY") ?? ""),
      stringArgument("base_url", base_url ?? environment("OPENSANDBOX_BASE_URL") ?? defaultBaseUrl),
    )
  }

  /**
   * Creates a sandbox: a virtual machine of its own, with the snapshot `initial`.
   * @param name unique on the server; 1 to 63 lower-case letters, digits and hyphens
   */
  async create(name: string): Promise<CreateResult> {
    const body = { name: stringArgument("name", name) }
    const answer = await this.#caller.call({ method: "POST", path: ["vms"], body }, isVMInfo)
    return answer.success ? { success: true, sandbox: new Sandbox(this.#caller, answer.body.name) } : answer
  }

  /** All sandboxes of the key. */
  async list(): Promise<ListResult> {
    const answer = await this.#caller.call({ method: "GET", path: ["vms"] }, isVMList)
    return answer.success ? { success: true, vms: answer.body.vms } : answer
  }

  /** A sandbox that exists already. No request is made. */
  sandbox(name: string): Sandbox {
    return new Sandbox(this.#caller, stringArgument("name", name))
  }
}
