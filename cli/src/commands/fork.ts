import type { Command } from "commander"
import { conclude, jsonFlag, type JsonOption } from "../conclude.js"
import type { Context } from "../context.js"
import { examples } from "../examples.js"

interface ForkOptions extends JsonOption {
  snapshot?: string
  memory?: true
}

export function addFork(program: Command, context: Context): void {
  program
    .command("fork")
    .description("make new sandboxes from a sandbox, which goes on as it is: all of them, or none")
    .argument("<name>", "the sandbox")
    .argument("<new-name...>", "the names of the new ones")
    .option("--snapshot <snapshot>", "fork from this snapshot instead of the present")
    .option("--memory", "copy memory and processes too: the new ones run on from the same instant")
    .option(...jsonFlag)
    .addHelpText(
      "after",
      examples(
        "opensandbox fork my-box try-a try-b try-c",
        "opensandbox fork my-box before --snapshot cmd_1767225600000",
        "opensandbox fork my-box twin-a twin-b --memory",
      ),
    )
    .action(async (name: string, names: string[], { snapshot, memory, ...options }: ForkOptions) => {
      const result = await context.connect().fork(name, names, { snapshot, memory })
      conclude(context, options, result, ({ sandboxes }) =>
        sandboxes.map((sandbox) => `Created ${sandbox.name}\n`).join(""),
      )
    })
}
