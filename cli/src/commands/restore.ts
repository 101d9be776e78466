import type { Command } from "commander"
import { conclude, jsonFlag, type JsonOption } from "../conclude.js"
import type { Context } from "../context.js"
import { examples } from "../examples.js"

interface RestoreOptions extends JsonOption {
  keep?: true
}

export function addRestore(program: Command, context: Context): void {
  program
    .command("restore")
    .description("go back to a snapshot; all snapshots after it are deleted")
    .argument("<name>", "the sandbox")
    .argument("<snapshot>", 'one that "opensandbox snapshots" lists, by its name or label')
    .option("--keep", "first fork the present into a new sandbox, so that nothing is lost")
    .option(...jsonFlag)
    .addHelpText(
      "after",
      examples("opensandbox restore my-box initial", "opensandbox restore my-box before-upgrade --keep"),
    )
    .action(async (name: string, snapshot: string, options: RestoreOptions) => {
      const result = await context.connect().sandbox(name).restore(snapshot, { keep: options.keep })
      conclude(context, options, result, ({ message, kept, degraded }) => {
        const keptIn = kept === undefined ? "" : `What was there is in the sandbox ${kept}\n`
        return `${message}\n${keptIn}${degraded === undefined ? "" : `${degraded}\n`}`
      })
    })
}
