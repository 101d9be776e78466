import type { Command } from "commander"
import { conclude, jsonFlag, type JsonOption } from "../conclude.js"
import type { Context } from "../context.js"
import { examples } from "../examples.js"

export function addRm(program: Command, context: Context): void {
  program
    .command("rm")
    .description("destroy a sandbox and all its snapshots, permanently")
    .argument("<name>", "the sandbox")
    .option(...jsonFlag)
    .addHelpText("after", examples("opensandbox rm my-box"))
    .action(async (name: string, options: JsonOption) => {
      const result = await context.connect().sandbox(name).destroy()
      conclude(context, options, result, ({ message }) => `${message}\n`)
    })
}
