import type { Command } from "commander"
import { conclude, jsonFlag, type JsonOption } from "../conclude.js"
import type { Context } from "../context.js"
import { examples } from "../examples.js"

export function addWipe(program: Command, context: Context): void {
  program
    .command("wipe")
    .description("remove all files in a sandbox's workspace, without a snapshot")
    .argument("<name>", "the sandbox")
    .option(...jsonFlag)
    .addHelpText("after", examples("opensandbox wipe my-box"))
    .action(async (name: string, options: JsonOption) => {
      const result = await context.connect().sandbox(name).wipe()
      conclude(context, options, result, ({ message }) => `${message}\n`)
    })
}
