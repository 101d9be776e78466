import type { Command } from "commander"
import { conclude, jsonFlag, type JsonOption } from "../conclude.js"
import type { Context } from "../context.js"
import { examples } from "../examples.js"

export function addRestore(program: Command, context: Context): void {
  program
    .command("restore")
    .description("go back to a snapshot; all snapshots after it are deleted")
    .argument("<name>", "the sandbox")
    .argument("<snapshot>", 'one that "opensandbox snapshots" lists')
    .option(...jsonFlag)
    .addHelpText("after", examples("opensandbox restore my-box initial"))
    .action(async (name: string, snapshot: string, options: JsonOption) => {
      const result = await context.connect().sandbox(name).restore(snapshot)
      conclude(context, options, result, ({ message }) => `${message}\n`)
    })
}
