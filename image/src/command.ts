import { execa } from "execa"

/** A program of the host failed; `output` is what it printed. */
export class CommandError extends Error {
  override readonly name = "CommandError"
  readonly output: string

  constructor(message: string, output: string) {
    super(message)
    this.output = output
  }
}

export interface CommandOptions {
  /** The program is killed after this many minutes. */
  minutes: number
  cwd?: string
  /** Written to the program's standard input, which is empty without it. */
  input?: string
}

/** Where programs put large temporary files: not in /tmp, which may be a small part of the memory. */
export function scratchDirectory(): string {
  return process.env["TMPDIR"] ?? "/var/tmp"
}

/** mke2fs and its kin live where an ordinary user's PATH does not lead. */
function environment(): NodeJS.ProcessEnv {
  const { PATH = "" } = process.env
  return { PATH: `${PATH}:/usr/sbin:/sbin`, TMPDIR: scratchDirectory(), LC_ALL: "C.UTF-8" }
}

/**
 * Runs a program of the host to its end and gives its standard output.
 * @throws CommandError when it cannot be started, fails or takes too long
 */
export async function runCommand(
  file: string,
  args: readonly string[],
  { minutes, cwd, input = "" }: CommandOptions,
): Promise<string> {
  const result = await execa(file, args, {
    env: environment(),
    timeout: minutes * 60_000,
    input,
    reject: false,
    ...(cwd === undefined ? {} : { cwd }),
  })
  if (result.failed) {
    const end = result.timedOut
      ? `did not end within ${minutes} minutes`
      : `failed (${result.code ?? result.signal ?? `exit code ${result.exitCode ?? "unknown"}`})`
    throw new CommandError(`${file} ${end}`, `${result.stdout}\n${result.stderr}`)
  }
  return result.stdout
}

/** Whether commands run as the system's administrator. */
export function runsAsRoot(): boolean {
  return process.getuid?.() === 0
}

/**
 * As {@link runCommand}, with the file owners of root: an ordinary user becomes root of a user namespace, in which
 * the user's own files belong to root.
 */
export async function runOwningFiles(
  file: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<string> {
  return runsAsRoot()
    ? runCommand(file, args, options)
    : runCommand("unshare", ["--user", "--map-root-user", "--map-auto", file, ...args], options)
}
