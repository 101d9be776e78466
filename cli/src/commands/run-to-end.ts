import type { RunOptions, Sandbox } from "opensandbox"
import { reportFailure, type JsonOption } from "../conclude.js"
import type { Context } from "../context.js"
import { exitCodes } from "../exit-codes.js"
import { maxInputBytes, readInput } from "../read-input.js"
import { isReaderGone } from "../reader-gone.js"

/** How a command is run, whatever becomes of its output. */
type Given = Pick<RunOptions, "timeout" | "cwd" | "env" | "user" | "stdin" | "signal">

interface Options extends JsonOption, Omit<Given, "stdin" | "signal"> {
  /** Whether the command gets the standard input. */
  interactive?: true
}

/** Runs a command to its end and exits as it did. */
export async function runToEnd(
  context: Context,
  name: string,
  command: string,
  { json, interactive, ...options }: Options,
): Promise<void> {
  const stdin = interactive === true ? await readInput(context.stdin()) : undefined
  if (stdin === "too large") {
    const error = `The standard input has more than ${maxInputBytes} bytes. Put it into a file in the sandbox first`
    reportFailure(context, { success: false, error, code: "too_large" })
    context.exitWith(exitCodes.notRun)
    return
  }
  const stop = new AbortController()
  context.onStopSignal(() => {
    stop.abort()
  })
  const sandbox = context.connect().sandbox(name)
  const given = { ...options, stdin, signal: stop.signal }
  const run = json === true ? runForPrograms : runForPeople
  context.exitWith(await run(context, sandbox, command, given))
}

async function runForPrograms(
  context: Context,
  sandbox: Sandbox,
  command: string,
  given: Given,
): Promise<number> {
  const result = await sandbox.run(command, given)
  context.stdout(`${JSON.stringify(result)}\n`)
  return result.success ? result.exitCode : exitCodes.notRun
}

/** Passes output on as it comes, byte by byte. */
async function runForPeople(
  context: Context,
  sandbox: Sandbox,
  command: string,
  given: Given,
): Promise<number> {
  const stdout = new Output(context.stdoutBytes)
  const stderr = new Output(context.stderrBytes)
  const result = await sandbox.run(command, {
    ...given,
    encoding: "buffer",
    onStdout: (chunk) => stdout.write(chunk),
    onStderr: (chunk) => stderr.write(chunk),
  })
  if (!result.success) {
    reportFailure(context, result)
    return exitCodes.notRun
  }
  // What was passed on while the command ran may well be more than a result can hold.
  const cut = (truncated: boolean, kept: Uint8Array, { bytes }: Output) => truncated && bytes <= kept.length
  if (
    cut(result.stdoutTruncated, result.stdout, stdout) ||
    cut(result.stderrTruncated, result.stderr, stderr)
  ) {
    context.stderr("opensandbox: the output was cut at the server's limit\n")
  }
  return result.exitCode
}

/** One of the standard streams. When its reader has seen enough, the command goes on without. */
class Output {
  /** How many were to be written. */
  bytes = 0
  readonly #write: (chunk: Uint8Array) => Promise<void>
  #readerGone = false

  constructor(write: (chunk: Uint8Array) => Promise<void>) {
    this.#write = write
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.bytes += chunk.length
    if (this.#readerGone) return
    await this.#write(chunk).catch((error: unknown) => {
      if (!isReaderGone(error)) throw error
      this.#readerGone = true
    })
  }
}
