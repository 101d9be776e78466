import { HttpServer, type HttpService } from "../http/http-server.js"
import type { SshParts } from "../ssh/connection.js"
import { SshPort } from "../ssh/ssh-port.js"

/** A sandbox, with the ports that it had before, which it gets again if they are free. */
export interface PortsRequest {
  id: number
  name: string
  ownerId: number
  agentPort: number | null
  sshPort: number | null
}

export interface OpenPorts {
  /** Speaks the HTTP API for just this sandbox. */
  agentPort: number
  /** Speaks SSH. */
  sshPort: number
}

/** The TCP ports on loopback at which each sandbox can be reached by itself. */
export class SandboxPorts {
  readonly #api: (onlySandbox: string) => HttpService
  readonly #ssh: SshParts
  readonly #open = new Map<number, { agent: HttpServer; ssh: SshPort }>()

  /** @param api What answers at the port of a sandbox, about just that one. */
  constructor(api: (onlySandbox: string) => HttpService, ssh: SshParts) {
    this.#api = api
    this.#ssh = ssh
  }

  async open({ id, name, ownerId, agentPort, sshPort }: PortsRequest): Promise<OpenPorts> {
    const agent = await HttpServer.listenOnLoopback(this.#api(name), agentPort)
    try {
      const ssh = await SshPort.listen({ name, ownerId }, this.#ssh, sshPort)
      this.#open.set(id, { agent, ssh })
      return { agentPort: agent.port, sshPort: ssh.port }
    } catch (error) {
      await agent.close()
      throw error
    }
  }

  /** Cuts SSH connections. HTTP requests under way, which may be what closes the ports, still get their answer. */
  async close(id: number): Promise<void> {
    const ports = this.#open.get(id)
    if (ports === undefined) return
    this.#open.delete(id)
    void ports.agent.close()
    await ports.ssh.close()
  }

  /** Closes all ports and waits for the last answers, at most as long as `HttpServer.close`. */
  async closeAll(): Promise<void> {
    const all = [...this.#open.values()]
    this.#open.clear()
    await Promise.all(all.flatMap(({ agent, ssh }) => [agent.close(), ssh.close()]))
  }
}
