import type { Call, Caller } from "./call.js"
import { defaultTimeoutSeconds, maxTimeoutSeconds } from "./contract/limits.js"
import { portUrl } from "./contract/port-url.js"
import { environment } from "./environment.js"
import type { PortResult, PortsResult, SimpleResult, UrlResult } from "./results.js"
import { isMessage, isPort, isPortLink, isPortList } from "./shapes.js"

/** Milliseconds that the server gets on top of the wait for a port, to start the machine. */
const graceMs = 60_000

/** The ports of one sandbox. */
export class Ports {
  readonly #caller: Caller
  readonly #name: string

  constructor(caller: Caller, name: string) {
    this.#caller = caller
    this.#name = name
  }

  url(port: number): string {
    return portUrl(this.#caller.baseUrl, this.#name, port, environment("OPENSANDBOX_DOMAIN"))
  }

  async signedUrl(port: number, expires: number): Promise<UrlResult> {
    const call = this.#request("POST", String(port), "links")
    const answer = await this.#caller.call({ ...call, body: { expires } }, isPortLink)
    if (!answer.success) return answer
    const { token, expires_at } = answer.body
    return { success: true, url: `${this.url(port)}?opensandbox_token=${token}`, expires_at }
  }

  async list(): Promise<PortsResult> {
    const answer = await this.#caller.call(this.#request("GET"), isPortList)
    return answer.success ? { success: true, ports: answer.body.ports } : answer
  }

  async set(port: number, options: { public: boolean }): Promise<PortResult> {
    const call = { ...this.#request("PUT", String(port)), body: { public: options.public } }
    const answer = await this.#caller.call(call, isPort)
    return answer.success ? { success: true, port: answer.body } : answer
  }

  async wait(port: number, timeout = defaultTimeoutSeconds): Promise<SimpleResult> {
    const call: Call = {
      ...this.#request("POST", String(port), "wait"),
      body: { timeout },
      ...(timeout > 0 && timeout <= maxTimeoutSeconds && { deadlineMs: Math.ceil(timeout * 1000) + graceMs }),
      eventStream: true,
    }
    const answer = await this.#caller.call(call, isMessage)
    return answer.success ? { success: true, message: answer.body.message } : answer
  }

  #request(method: Call["method"], ...below: string[]): Call {
    return { method, path: ["vms", this.#name, "ports", ...below] }
  }
}
