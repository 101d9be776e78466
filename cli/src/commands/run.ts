import { Command, InvalidArgumentError } from "commander"
import { jsonFlag, reportFailure, type JsonOption } from "../conclude.js"
import type { Context } from "../context.js"
import { examples } from "../examples.js"
import { exitCodes } from "../exit-codes.js"
import { canInteract, interact } from "../interact.js"
import { runDetached } from "./run-detached.js"

interface RunOptions extends JsonOption {
  timeout?: number
  detach?: true
  interactive?: true
  tty?: true
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
        `${exitCodes.notRun} when the command did not run to its end.\n` +
        examples(
          "opensandbox run my-box 'echo hi > file && cat file'",
          "opensandbox run my-box --timeout 600 make -j2",
          "opensandbox run my-box -d 'npm run dev'",
          "opensandbox run -it my-box python3",
        ),
    )
    .action(async (name: string, words: string[], before: RunOptions) => {
      const after = addOptions(new Command().passThroughOptions())
        .exitOverride()
        .configureOutput(run.configureOutput())
      const { operands, unknown } = after.parseOptions(words)
      const command = [...operands, ...unknown].join(" ")
      if (command === "") run.error("error: missing required argument 'command'")
      const options = { ...before, ...after.opts<RunOptions>() }
      if (options.tty === true) {
        const problem = problemWithTerminal(context, options)
        if (problem !== undefined) run.error(`error: ${problem}`)
        await interact(context, name, { command })
      } else if (options.detach !== true) await runCommand(context, name, command, options)
      else if (options.timeout === undefined) await runDetached(context, name, command, options)
      else run.error("error: a command in the background has no --timeout; end it with opensandbox kill")
    })
}

/** The options may stand before the sandbox's name or after it; what follows the command's first word is the command's. */
const addOptions = (command: Command) =>
  command
    .option("--timeout <seconds>", "kill the command after so long (default: 30)", parseSeconds)
    .option("-d, --detach", "start it in the background and print its number; no snapshot is taken")
    .option("-t, --tty", "give the command a terminal, as an editor needs; what is typed reaches it")
    .option("-i, --interactive", "goes with -t, as in -it")
    .option(...jsonFlag)

/** Why a command cannot have the person's terminal, if so. */
function problemWithTerminal(context: Context, options: RunOptions): string | undefined {
  if (options.json === true || options.timeout !== undefined || options.detach === true) {
    return "-t goes with none of --detach, --json and --timeout"
  }
  return canInteract(context) ? undefined : "-t needs a terminal to connect the command's with"
}

function parseSeconds(text: string): number {
  const seconds = text.trim() === "" ? Number.NaN : Number(text)
  if (!(seconds > 0 && seconds <= 86_400)) {
    throw new InvalidArgumentError("It must be a number of seconds above 0 and at most 86400.")
  }
  return seconds
}

async function runCommand(
  context: Context,
  name: string,
  command: string,
  options: RunOptions,
): Promise<void> {
  const result = await context.connect().sandbox(name).run(command, options.timeout)
  if (options.json === true) {
    context.stdout(`${JSON.stringify(result)}\n`)
  } else {
    context.stdout(result.stdout ?? "")
    context.stderr(result.stderr ?? "")
    if (!result.success) reportFailure(context, result)
    else if (result.stdoutTruncated || result.stderrTruncated) {
      context.stderr("opensandbox: the output was cut at the server's limit\n")
    }
  }
  context.exitWith(result.success ? result.exitCode : exitCodes.notRun)
}
