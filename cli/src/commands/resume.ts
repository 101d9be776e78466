import type { Command } from "commander"
import { conclude, jsonFlag, type JsonOption } from "../conclude.js"
import type { Context } from "../context.js"
import { examples } from "../examples.js"

export function addResume(program: Command, context: Context): void {
  program
    .command("resume")
    .description("have a paused sandbox's machine go on where it was; any use of it does so too")
    .argument("<name>", "the sandbox")
    .option(...jsonFlag)
    .addHelpText("after", examples("opensandbox resume my-box"))
    .action(async (name: string, options: JsonOption) => {
      const result = await context.connect().sandbox(name).resume()
      conclude(context, options, result, ({ vm }) =>
        vm.degraded === null ? `Resumed ${name}\n` : `Resumed ${name}. ${vm.degraded}\n`,
      )
    })
}
