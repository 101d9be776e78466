import type { Command } from "commander"
import { conclude, jsonFlag, type JsonOption } from "../conclude.js"
import type { Context } from "../context.js"
import { examples } from "../examples.js"

export function addCreate(program: Command, context: Context): void {
  program
    .command("create")
    .description("create a sandbox")
    .argument("<name>", "1 to 63 lower-case letters, digits and hyphens")
    .option(...jsonFlag)
    .addHelpText("after", examples("opensandbox create my-box", "opensandbox run my-box 'uname -a'"))
    .action(async (name: string, options: JsonOption) => {
      const result = await context.connect().create(name)
      conclude(context, options, result, () => `Created ${name}\n`)
    })
}
