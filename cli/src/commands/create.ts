import type { Command } from "commander"
import { conclude, jsonFlag, type JsonOption } from "../conclude.js"
import type { Context } from "../context.js"
import { examples } from "../examples.js"

interface CreateOptions extends JsonOption {
  reuse?: true
}

export function addCreate(program: Command, context: Context): void {
  program
    .command("create")
    .description("create a sandbox")
    .argument("<name>", "1 to 63 lower-case letters, digits and hyphens")
    .option("--reuse", "take the sandbox of yours that has the name already, as it is")
    .option(...jsonFlag)
    .addHelpText(
      "after",
      examples(
        "opensandbox create my-box",
        "opensandbox create my-box --reuse",
        "opensandbox run my-box 'uname -a'",
      ),
    )
    .action(async (name: string, options: CreateOptions) => {
      const result = await context.connect().create(name, { reuse: options.reuse })
      conclude(context, options, result, ({ reused }) => `${reused ? "Reused" : "Created"} ${name}\n`)
    })
}
