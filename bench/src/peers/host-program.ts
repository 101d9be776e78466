import { execFile, type ExecFileException } from "node:child_process"
import { promisify } from "node:util"

/** Nothing that the comparison runs on the host takes so long. */
const milliseconds = 600_000

const outputBytes = 64 * 1024 ** 2

/**
 * Runs a program on the host.
 *
 * @returns what it printed.
 * @throws Error with what it said when it does not end with 0.
 */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(program, args, {
      ...options,
      // Messages and the order of names are then the same on every host.
      env: { ...process.env, LC_ALL: "C", ...options.env },
      timeout: milliseconds,
      maxBuffer: outputBytes,
    })
    return stdout
  } catch (error) {
    const { message, stderr = "" } = error as ExecFileException
    const reason = stderr.trim() === "" ? message : stderr.trim()
    throw new Error(`${program} failed: ${reason}`, { cause: error })
  }
}

/** Runs a command of a trace on the host. */
export function runOnHost(directory: string, command: string): Promise<string> {
  return runProgram("bash", ["-c", command], { cwd: directory })
}
