import type { Command } from "commander"
import { conclude, jsonFlag, type JsonOption } from "../conclude.js"
import type { Context } from "../context.js"
import { examples } from "../examples.js"
import { table } from "../table.js"

export function addSnapshots(program: Command, context: Context): void {
  program
    .command("snapshots")
    .description("list a sandbox's snapshots, the oldest first")
    .argument("<name>", "the sandbox")
    .option(...jsonFlag)
    .addHelpText("after", examples("opensandbox snapshots my-box"))
    .action(async (name: string, options: JsonOption) => {
      const result = await context.connect().sandbox(name).snapshots()
      conclude(context, options, result, ({ snapshots }) =>
        table(
          ["SNAPSHOT", "CREATED", "COMMAND"],
          snapshots.map((each) => [each.snapshot_name, each.created_at, each.command ?? ""]),
        ),
      )
    })
}
