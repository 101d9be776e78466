import { spawn, type ChildProcess } from "node:child_process"
import { once } from "node:events"
import { mkdir, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { exec } from "./cli.js"
import { eventually } from "./eventually.js"
import { repository } from "./repository.js"

const startMs = 20_000

/** What can be reached from the host, all of it really there. */
export const world = {
  /** A public address of the host itself. */
  host: "11.22.33.1",
  web: "11.22.33.44",
  otherWeb: "11.22.33.45",
  thirdWeb: "11.22.33.53",
  /** Addresses that are no part of the public internet and answer the host all the same. */
  reserved: [
    "10.9.9.9",
    "172.20.0.9",
    "192.168.77.9",
    "100.64.0.9",
    "169.254.169.254",
    "203.0.113.9",
    "198.18.0.9",
  ],
} as const

/** On which port a web server and one that sends datagrams back listen: in the world, and on all addresses of the host. */
export const worldPort = 80
export const hostPort = 8080

const names = [
  `web.example=${world.web}`,
  `other.example=${world.otherWeb}`,
  "rebind.example=127.0.0.1,10.9.9.9",
  `mine.example=${world.host}`,
]

/**
 * A host in a network namespace, with a small internet behind it in another one, so that a test may try to reach what no
 * test may touch elsewhere. The test itself reaches the host over a link of their own. Only root can make one.
 */
export class HostInANamespace {
  /** Whether it can be made here. */
  static async possible(): Promise<boolean> {
    if (process.getuid?.() !== 0) return false
    const { code } = await exec("ip", ["netns", "list"]).catch(() => ({ code: 1 }))
    if (code !== 0) return false
    return (await exec("unshare", ["-n", "true"]).catch(() => ({ code: 1 }))).code === 0
  }

  readonly #host = `osb-host-${process.pid}`
  readonly #world = `osb-world-${process.pid}`
  readonly #link = `osb${process.pid}`
  readonly #net = 1 + (process.pid % 250)
  readonly #servers: ChildProcess[] = []

  /** Makes one, with everything that listens there. */
  static async make(): Promise<HostInANamespace> {
    const host = new HostInANamespace()
    try {
      await host.#build()
    } catch (error) {
      await host.dispose()
      throw error
    }
    return host
  }

  /** The address at which the test reaches what listens on the host. */
  get address(): string {
    return `10.213.${this.#net}.2`
  }

  /** What a program is started with to run on the host as one that has no privilege, whoever started the test. */
  get unprivileged(): string[] {
    const none = ["--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]
    return ["ip", "netns", "exec", this.#host, "setpriv", ...none]
  }

  /** Whether a web server answers the host itself. */
  async reaches(address: string, port: number): Promise<boolean> {
    const args = ["netns", "exec", this.#host, "curl", "-sf", "-m", "10", `http://${address}:${port}/`]
    return (await exec("ip", args)).stdout.startsWith("reached")
  }

  async dispose(): Promise<void> {
    for (const server of this.#servers) {
      const ended = server.exitCode !== null || server.signalCode !== null ? undefined : once(server, "exit")
      server.kill("SIGKILL")
      await ended
    }
    for (const name of [this.#host, this.#world]) await exec("ip", ["netns", "del", name])
    await exec("ip", ["link", "del", this.#link])
    await rm(join("/etc/netns", this.#host), { recursive: true, force: true })
  }

  async #build(): Promise<void> {
    const [host, outside] = [this.#host, this.#world]
    // `ip netns exec` puts it in the place of the file in /etc.
    await mkdir(join("/etc/netns", host), { recursive: true })
    await writeFile(join("/etc/netns", host, "resolv.conf"), `nameserver ${world.web}\n`)
    for (const name of [host, outside]) {
      await ip("netns", "add", name)
      await ip("-n", name, "link", "set", "lo", "up")
    }
    await ip("link", "add", this.#link, "type", "veth", "peer", "name", "test", "netns", host)
    await ip("addr", "add", `10.213.${this.#net}.1/30`, "dev", this.#link)
    await ip("link", "set", this.#link, "up")
    await ip("-n", host, "addr", "add", `${this.address}/30`, "dev", "test")
    await ip("-n", host, "link", "set", "test", "up")

    await ip("-n", host, "link", "add", "out", "type", "veth", "peer", "name", "in", "netns", outside)
    await ip("-n", host, "addr", "add", `${world.host}/24`, "dev", "out")
    await ip("-n", host, "link", "set", "out", "up")
    for (const address of [world.web, world.otherWeb, world.thirdWeb])
      await ip("-n", outside, "addr", "add", `${address}/24`, "dev", "in")
    await ip("-n", outside, "link", "set", "in", "up")
    for (const address of world.reserved) await ip("-n", outside, "addr", "add", `${address}/32`, "dev", "lo")
    await ip("-n", host, "route", "add", "default", "via", world.web)
    await this.#serve(outside, [String(worldPort), ...names])
    await this.#serve(host, [String(hostPort)])
  }

  async #serve(namespace: string, args: string[]): Promise<void> {
    const script = join(repository, "tests/support/small-internet.mjs")
    const server = spawn("ip", ["netns", "exec", namespace, process.execPath, script, ...args], {
      stdio: ["ignore", "pipe", "inherit"],
    })
    this.#servers.push(server)
    let said = ""
    server.stdout.setEncoding("utf8").on("data", (text: string) => (said += text))
    await eventually("a server of the small internet", startMs, () => said.includes("ready") || undefined)
  }
}

async function ip(...args: string[]): Promise<void> {
  const { code, stderr } = await exec("ip", args)
  if (code !== 0) throw new Error(`ip ${args.join(" ")}: ${stderr}`)
}
