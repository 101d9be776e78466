import type { Command } from "commander"
import { conclude, jsonFlag, type JsonOption } from "../conclude.js"
import type { Context } from "../context.js"
import { examples } from "../examples.js"

export function addPause(program: Command, context: Context): void {
  program
    .command("pause")
    .description("put a sandbox's memory on the server's disk and end its machine, until it is used again")
    .argument("<name>", "the sandbox")
    .option(...jsonFlag)
    .addHelpText("after", examples("opensandbox pause my-box"))
    .action(async (name: string, options: JsonOption) => {
      const result = await context.connect().sandbox(name).pause()
      conclude(context, options, result, ({ vm }) =>
        vm.status === "stopped" ? `${name} has no machine that could be paused\n` : `Paused ${name}\n`,
      )
    })
}
