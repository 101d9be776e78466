import type { Command } from "commander"

/** A word that may come next, with a line about it. */
export interface Candidate {
  word: string
  description: string
}

/** An option, with all its spellings. */
export interface OptionWords {
  /** As in `-h`; there is at most one. */
  short: string | undefined
  /** As in `--help`. */
  long: string
  description: string
  takesValue: boolean
  /** The values that it may have; empty where they cannot be listed. */
  choices: readonly string[]
}

/** What may follow the words of one command. */
export interface CommandWords {
  /** The words that lead to it, with spaces between them; empty for the program itself. */
  path: string
  /** Its subcommands, and the values of its arguments where they can be listed. */
  words: Candidate[]
  options: OptionWords[]
}

/** What may follow each command of a program, the program itself first. */
export function commandWords(command: Command, path = ""): CommandWords[] {
  const help = command.createHelp()
  const subcommands = help.visibleCommands(command)
  const values = command.registeredArguments.flatMap(({ argChoices = [], description }) =>
    argChoices.map((word) => ({ word, description })),
  )
  const words = subcommands.map((each) => ({ word: each.name(), description: each.description() }))
  const options = help.visibleOptions(command).map((option) => ({
    short: option.short,
    long: option.long ?? option.flags,
    description: option.description,
    takesValue: option.required || option.optional,
    choices: option.argChoices ?? [],
  }))
  const below = command.commands.flatMap((each) => commandWords(each, `${path} ${each.name()}`.trim()))
  return [{ path, words: [...words, ...values], options }, ...below]
}
