import { execa } from "execa"

/** What a program may take that reads a file from elsewhere. */
export interface ToolLimits {
  /** Of time, and of the processor's time. */
  readonly seconds: number
  /** The largest file that it may write. */
  readonly fileBytes: number
}

/** QEMU's tools get by with half of it, whatever the disk's size. */
const addressSpaceBytes = 2 ** 30

/**
 * The C library sets aside up to 64 MiB of addresses for each thread that allocates while another does (mallopt(3)), so
 * that on a busy host the limit would be met by chance.
 */
const environment = { MALLOC_ARENA_MAX: "1" }

/** More than this is said only about a file that is broken all over. */
const outputBytes = 64 * 1024

/**
 * Runs a program on a file that came from elsewhere, within limits of time, memory and room: a file that was made to
 * exhaust its reader ends the program and harms nothing else. It runs at a low priority: the machines come first.
 *
 * @returns what it wrote to its standard output.
 * @throws ExecaError when it fails or meets a limit.
 */
export async function runConfined(program: string, args: string[], limits: ToolLimits): Promise<string> {
  const bounds = [
    `--as=${addressSpaceBytes}`,
    `--cpu=${limits.seconds}`,
    `--fsize=${limits.fileBytes}`,
    "--core=0",
  ]
  const { stdout } = await execa("nice", ["-n", "5", "prlimit", ...bounds, program, ...args], {
    timeout: limits.seconds * 1000,
    killSignal: "SIGKILL",
    stdin: "ignore",
    env: environment,
    maxBuffer: outputBytes,
  })
  return stdout
}
