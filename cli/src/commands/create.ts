import type { Command } from "commander"
import type { NetworkPolicy } from "opensandbox"
import { conclude, jsonFlag, type JsonOption } from "../conclude.js"
import type { Context } from "../context.js"
import { examples } from "../examples.js"

interface CreateOptions extends JsonOption {
  reuse?: true
  network?: string[]
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
    .option(...jsonFlag)
    .addHelpText(
      "after",
      examples(
        "opensandbox create my-box",
        "opensandbox create my-box --reuse",
        "opensandbox run my-box 'uname -a'",
        "opensandbox create my-box --network internet",
        "opensandbox create my-box --network github.com:443 --network api.github.com:443",
      ),
    )
    .action(async (name: string, { network, reuse, ...options }: CreateOptions) => {
      const request = { reuse, network: network && policyOf(network) }
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
