import { execFile } from "node:child_process"
import { cpus, loadavg, release, totalmem } from "node:os"
import { promisify } from "node:util"
import type { Client } from "opensandbox"
import { expectSuccess } from "./expect-success.js"

/** What the numbers depend on. */
export interface Host {
  /** What ran the guests' instructions. */
  readonly accelerator: string
  readonly processor: string
  readonly cores: number
  /** In bytes. */
  readonly memory: number
  readonly kernel: string
  readonly qemu: string
  readonly node: string
  /** The load average of the minute before the run: what else went on. */
  readonly loadBefore: number
}

/** @param client Speaks to a server that uses the accelerator; a sandbox is made to find out which. */
export async function describeHost(client: Client): Promise<Host> {
  const [loadBefore = 0] = loadavg()
  const processors = cpus()
  const { stdout } = await promisify(execFile)("qemu-system-x86_64", ["--version"], { timeout: 10_000 })
  return {
    accelerator: await acceleratorOf(client),
    processor: processors[0]?.model ?? "unknown",
    cores: processors.length,
    memory: totalmem(),
    kernel: release(),
    qemu: /version (.*)/.exec(stdout)?.[1] ?? "unknown",
    node: process.version,
    loadBefore,
  }
}

/** The facts for people, one a line. */
export function hostLines(host: Host): string {
  return Object.entries(host)
    .map(([name, value]) => `${name}: ${value}`)
    .join("\n")
}

async function acceleratorOf(client: Client): Promise<string> {
  const { sandbox } = expectSuccess(await client.create("host"))
  const { vm } = expectSuccess(await sandbox.info())
  expectSuccess(await sandbox.destroy())
  return vm.accelerator
}
