import type { Command } from "commander"
import { conclude, jsonFlag, type JsonOption } from "../conclude.js"
import type { Context } from "../context.js"
import { examples } from "../examples.js"

export function addUndo(program: Command, context: Context): void {
  program
    .command("undo")
    .description("go back to the snapshot before the newest one, which is deleted")
    .argument("<name>", "the sandbox")
    .option(...jsonFlag)
    .addHelpText("after", examples("opensandbox undo my-box"))
    .action(async (name: string, options: JsonOption) => {
      const result = await context.connect().sandbox(name).undo()
      conclude(context, options, result, ({ message, degraded }) =>
        degraded === undefined ? `${message}\n` : `${message}\n${degraded}\n`,
      )
    })
}
