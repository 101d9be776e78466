import type { Command } from "commander"
import { conclude, jsonFlag, type JsonOption } from "../conclude.js"
import type { Context } from "../context.js"
import { examples } from "../examples.js"
import { table } from "../table.js"

export function addLs(program: Command, context: Context): void {
  program
    .command("ls")
    .description("list your sandboxes")
    .option(...jsonFlag)
    .addHelpText("after", examples("opensandbox ls", "opensandbox ls --json | jq -r '.vms[].name'"))
    .action(async (options: JsonOption) => {
      const result = await context.connect().list()
      conclude(context, options, result, ({ vms }) =>
        table(
          ["NAME", "STATUS", "AGENT", "SSH PORT", "CREATED"],
          vms.map((vm) => [
            vm.name,
            vm.status,
            vm.agentHealthy ? "healthy" : "silent",
            vm.ssh_port,
            vm.created_at,
          ]),
        ),
      )
    })
}
