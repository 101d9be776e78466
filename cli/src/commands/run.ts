import { Command, InvalidArgumentError } from "commander"
import { jsonFlag, type JsonOption } from "../conclude.js"
import type { Context } from "../context.js"
import { examples } from "../examples.js"
import { exitCodes } from "../exit-codes.js"
import { canInteract, interact } from "../interact.js"
import { cwdOption, envOption, placeOf, userOption, type PlaceOptions } from "../place-options.js"
import { runDetached } from "./run-detached.js"
import { runToEnd } from "./run-to-end.js"

interface Options extends JsonOption, PlaceOptions {
  timeout?: number
  detach?: true
  tty?: true
  interactive?: true
}

export function addRun(program: Command, context: Context): void {
  const run = program
    .command("run")
    .description("run a shell command in a sandbox and take a snapshot after it")
    .usage("<name> [options] <command...>")
    .argument("<name>", "the sandbox")
    .argument("<command...>", "several words are joined with spaces, as ssh does")
    .passThroughOptions()
  addOptions(run)
    .addHelpText(
      "after",
      "\nExits with the command's own exit code, or with " +
        `${exitCodes.notRun} when the command did not run to its end. Ctrl-C kills the command.\n` +
        examples(
          "opensandbox run my-box 'echo hi > file && cat file'",
          "opensandbox run my-box --timeout 600 --cwd src -e CC=clang make -j2",
          "opensandbox run my-box -i 'tar xz' < files.tar.gz",
          "opensandbox run my-box 'tar cz .' > files.tar.gz",
          "opensandbox run my-box -d 'npm run dev'",
          "opensandbox run -it my-box python3",
        ),
    )
    .action(async (name: string, words: string[], before: Options) => {
      const after = addOptions(new Command().passThroughOptions())
        .exitOverride()
        .configureOutput(run.configureOutput())
      const { operands, unknown } = after.parseOptions(words)
      const command = [...operands, ...unknown].join(" ")
      if (command === "") run.error("error: missing required argument 'command'")
      const options = joined(before, after.opts<Options>())
      const problem = problemWith(context, options)
      if (problem !== undefined) run.error(`error: ${problem}`)
      const { detach, tty, ...rest } = options
      if (tty === true) await interact(context, name, { command, ...placeOf(rest) })
      else if (detach === true) await runDetached(context, name, command, rest)
      else await runToEnd(context, name, command, rest)
    })
}

/** The options may stand before the sandbox's name or after it; what follows the command's first word is the command's. */
const addOptions = (command: Command) =>
  command
    .option("--timeout <seconds>", "kill the command after so long (default: 30)", parseSeconds)
    .option("-d, --detach", "start it in the background and print its number; no snapshot is taken")
    .option("-t, --tty", "give the command a terminal, as an editor needs")
    .option(...cwdOption)
    .option(...envOption)
    .option(...userOption)
    .option("-i, --interactive", "give the command the standard input, all of it; with -t, what is typed")
    .option(...jsonFlag)

function joined(before: Options, after: Options): Options {
  const variables = { ...before.env, ...after.env }
  return { ...before, ...after, ...(Object.keys(variables).length > 0 && { env: variables }) }
}

/** Why the options do not go together, if so. */
function problemWith(
  context: Context,
  { detach, tty, interactive, timeout, json }: Options,
): string | undefined {
  if (tty === true) {
    if ([detach, json, timeout].some((option) => option !== undefined)) {
      return "-t goes with none of --detach, --json and --timeout"
    }
    return canInteract(context) ? undefined : "-t needs a terminal to connect the command's with"
  }
  if (detach === true && timeout !== undefined) {
    return "a command in the background has no --timeout; end it with opensandbox kill"
  }
  if (detach === true && interactive === true) return "a command in the background has no input (-i)"
  return undefined
}

function parseSeconds(text: string): number {
  const seconds = text.trim() === "" ? Number.NaN : Number(text)
  if (!(seconds > 0 && seconds <= 86_400)) {
    throw new InvalidArgumentError("It must be a number of seconds above 0 and at most 86400.")
  }
  return seconds
}
