import { Argument, type Command } from "commander"
import { bashCompletion } from "../completion/bash.js"
import { commandWords } from "../completion/command-words.js"
import { fishCompletion } from "../completion/fish.js"
import { zshCompletion } from "../completion/zsh.js"
import type { Context } from "../context.js"
import { examples } from "../examples.js"

const shells = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion }

export function addCompletion(program: Command, context: Context): void {
  program
    .command("completion")
    .description("print a script that has a shell complete command lines of opensandbox")
    .addArgument(new Argument("<shell>", "the shell to make the script for").choices(Object.keys(shells)))
    .addHelpText(
      "after",
      examples(
        "source <(opensandbox completion bash)   # in ~/.bashrc, likewise for zsh in ~/.zshrc",
        "opensandbox completion fish > ~/.config/fish/completions/opensandbox.fish",
      ),
    )
    .action((shell: keyof typeof shells) => {
      context.stdout(shells[shell](program.name(), commandWords(program)))
    })
}
