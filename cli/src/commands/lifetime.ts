import type { Command } from "commander"
import type { VMInfo } from "opensandbox"
import { conclude, jsonFlag, type JsonOption } from "../conclude.js"
import type { Context } from "../context.js"
import { showDuration } from "../duration.js"
import { examples } from "../examples.js"
import {
  idleTimeoutOption,
  lifetimeHelp,
  lifetimeRequest,
  ttlOption,
  type TimeLimit,
} from "../lifetime-options.js"
import { table } from "../table.js"

interface LifetimeOptions extends JsonOption {
  idleTimeout?: TimeLimit
  ttl?: TimeLimit
}

export function addLifetime(program: Command, context: Context): void {
  program
    .command("lifetime")
    .description("show or set when a sandbox is paused and destroyed by itself")
    .argument("<name>", "the sandbox")
    .addOption(idleTimeoutOption())
    .addOption(ttlOption())
    .option(...jsonFlag)
    .addHelpText(
      "after",
      "\nWithout an option it only shows them. What is not set stays as it is; --ttl counts from now.\n" +
        lifetimeHelp +
        examples(
          "opensandbox lifetime my-box",
          "opensandbox lifetime my-box --idle-timeout 15m",
          "opensandbox lifetime my-box --ttl 7d --idle-timeout none",
        ),
    )
    .action(async (name: string, options: LifetimeOptions) => {
      const sandbox = context.connect().sandbox(name)
      const request = lifetimeRequest(options)
      const showOnly = Object.keys(request).length === 0
      const result = await (showOnly ? sandbox.info() : sandbox.setLifetime(request))
      conclude(context, options, result, ({ vm }) => describe(vm))
    })
}

function describe({ idle_timeout, expires_at }: VMInfo): string {
  return table(
    [],
    [
      ["idle timeout", idle_timeout === null ? "never" : showDuration(idle_timeout)],
      ["destroyed at", expires_at ?? "never"],
    ],
  )
}
