import { Option, type Command } from "commander"
import type { NetworkPolicy } from "opensandbox"
import { conclude, jsonFlag, type JsonOption } from "../conclude.js"
import type { Context } from "../context.js"
import { examples } from "../examples.js"
import {
  idleTimeoutOption,
  lifetimeHelp,
  lifetimeRequest,
  ttlOption,
  type TimeLimit,
} from "../lifetime-options.js"
import { parseCount } from "../options.js"

interface CreateOptions extends JsonOption {
  reuse?: true
  network?: string[]
  snapshots?: "disk" | "machine"
  cpus?: number
  memoryMb?: number
  diskGb?: number
  idleTimeout?: TimeLimit
  ttl?: TimeLimit
}

export function addCreate(program: Command, context: Context): void {
  program
    .command("create")
    .description("create a sandbox")
    .argument("<name>", "1 to 63 lower-case letters, digits and hyphens")
    .option("--reuse", "take the sandbox of yours that has the name already, as it is")
    .option(
      "--network <what>",
      'what it may reach: "none", "internet", or a host or CIDR with :port if need be; may be repeated',
      collect,
    )
    .addOption(
      new Option(
        "--snapshots <kind>",
        'what the snapshot after each command holds: files, or the whole "machine" with its processes',
      ).choices(["disk", "machine"]),
    )
    .option("--cpus <number>", "virtual processors, at most as many as the host has (default: 1)", parseCount)
    .option("--memory-mb <number>", "memory in MiB, a multiple of 256 (default: 512)", parseCount)
    .option("--disk-gb <number>", "size of the disk in GiB (default: that of the image)", parseCount)
    .addOption(idleTimeoutOption())
    .addOption(ttlOption())
    .option(...jsonFlag)
    .addHelpText(
      "after",
      lifetimeHelp +
        examples(
          "opensandbox create my-box",
          "opensandbox create my-box --reuse",
          "opensandbox run my-box 'uname -a'",
          "opensandbox create my-box --snapshots machine",
          "opensandbox create my-box --cpus 2 --memory-mb 2048 --disk-gb 50",
          "opensandbox create my-box --idle-timeout 15m --ttl 7d",
          "opensandbox create my-box --network internet",
          "opensandbox create my-box --network github.com:443 --network api.github.com:443",
        ),
    )
    .action(async (name: string, { network, reuse, snapshots, ...options }: CreateOptions) => {
      const size = { cpus: options.cpus, memory_mb: options.memoryMb, disk_gb: options.diskGb }
      const times = lifetimeRequest(options)
      const request = { reuse, snapshots, network: network && policyOf(network), ...size, ...times }
      const result = await context.connect().create(name, request)
      conclude(context, options, result, ({ reused }) => `${reused ? "Reused" : "Created"} ${name}\n`)
    })
}

function collect(value: string, previous: string[] = []): string[] {
  return [...previous, value]
}

function policyOf(values: string[]): NetworkPolicy {
  const [only] = values
  if (values.length === 1 && (only === "none" || only === "internet")) return only
  return { allow: values }
}
