import type { Command } from "commander"
import type { Context } from "../context.js"
import { examples } from "../examples.js"
import { canInteract, interact } from "../interact.js"
import { cwdOption, envOption, userOption, type PlaceOptions } from "../place-options.js"

interface ShellOptions extends PlaceOptions {
  shell?: string
}

export function addShell(program: Command, context: Context): void {
  const command = program
    .command("shell")
    .description("talk to a shell in a sandbox; a snapshot is taken when it has ended")
    .argument("<name>", "the sandbox")
    .option("--shell <program>", "the program to talk to (default: bash, as a login shell)")
    .option(...cwdOption)
    .option(...envOption)
    .option(...userOption)
    .addHelpText(
      "after",
      examples(
        "opensandbox shell my-box",
        "opensandbox shell my-box --shell python3",
        "opensandbox shell my-box --user nobody --cwd /tmp",
      ),
    )
  command.action(async (name: string, options: ShellOptions) => {
    if (!canInteract(context)) {
      command.error(`error: this needs a terminal; without one, use "opensandbox run ${name} COMMAND"`)
    }
    await interact(context, name, options)
  })
}
