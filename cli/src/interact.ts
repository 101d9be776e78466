import { constants } from "node:os"
import type { Terminal, TerminalEnd, TerminalOptions } from "opensandbox"
import { reportFailure } from "./conclude.js"
import type { Context } from "./context.js"
import { exitCodes } from "./exit-codes.js"
import { isReaderGone } from "./reader-gone.js"

const signalNumbers: Partial<Record<string, number>> = constants.signals

/** Whether a person sits at both ends, as an interactive command needs. */
export const canInteract = ({ isTerminal }: Context): boolean => isTerminal.stdin && isTerminal.stdout

/** Connects the person's terminal with one in a sandbox until its shell or command ends, and exits as that did. */
export async function interact(
  context: Context,
  name: string,
  what: Pick<TerminalOptions, "shell" | "command" | "cwd" | "user" | "env">,
): Promise<void> {
  const { WebSocket } = await import("ws")
  const sandbox = context.connect({ WebSocket }).sandbox(name)
  const { TERM: term } = process.env
  const options = { ...context.terminal.size(), ...what, ...(isTermName(term) && { term }) }
  const opened = await sandbox.terminal(options)
  if (!opened.success) {
    reportFailure(context, opened)
    context.exitWith(exitCodes.notRun)
    return
  }
  const end = await connect(context, opened.terminal)
  if (!end.success) reportFailure(context, end)
  context.exitWith(exitCodeOf(end))
}

async function connect(context: Context, terminal: Terminal): Promise<TerminalEnd> {
  const stopKeys = context.terminal.takeKeys((bytes) => {
    terminal.write(bytes)
  })
  const stopResizing = context.terminal.onResize(() => {
    const { cols, rows } = context.terminal.size()
    terminal.resize(cols, rows)
  })
  try {
    for await (const chunk of terminal) await context.stdoutBytes(chunk)
  } catch (error) {
    await terminal.close()
    if (!isReaderGone(error)) throw error
  } finally {
    stopResizing()
    stopKeys()
  }
  return terminal.wait()
}

function exitCodeOf(end: TerminalEnd): number {
  if (!end.success) return exitCodes.notRun
  return end.exitCode ?? 128 + (signalNumbers[`SIG${end.signal ?? ""}`] ?? 0)
}

const isTermName = (term: string | undefined): term is string =>
  term !== undefined && /^[A-Za-z0-9+._-]{1,64}$/.test(term)
