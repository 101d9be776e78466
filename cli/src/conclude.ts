import type { Failure } from "opensandbox"
import type { Context } from "./context.js"
import { exitCodes } from "./exit-codes.js"
import { sandboxHints, type Hints } from "./hints.js"

/** Options of every command whose result a program may want to read. */
export interface JsonOption {
  json?: true
}

export const jsonFlag = ["--json", "print one JSON document, for a failure too"] as const

/** Prints a command's result, for people or for programs, and sets the exit code. */
export function conclude<Success extends { success: true }>(
  context: Context,
  options: JsonOption,
  result: Success | Failure,
  show: (success: Success) => string,
  hints: Hints = sandboxHints,
): void {
  if (options.json === true) context.stdout(`${JSON.stringify(result)}\n`)
  else if (result.success) context.stdout(show(result))
  else reportFailure(context, result, hints)
  if (!result.success) context.exitWith(exitCodes.failed)
}

/** Tells people what went wrong and what to do. */
export function reportFailure(context: Context, { error, code }: Failure, hints: Hints = sandboxHints): void {
  const hint = hints[code]
  context.stderr(`opensandbox: ${error} (${code})\n${hint === undefined ? "" : `${hint}\n`}`)
}
