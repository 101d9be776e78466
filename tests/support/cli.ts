import { spawn } from "node:child_process"
import { once } from "node:events"
import { text } from "node:stream/consumers"
import { cli, repository } from "./repository.js"

const deadlineMs = 90_000

/** What a process left when it ended. */
export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

interface ExecOptions {
  cwd?: string
  /** Further environment variables. */
  env?: Record<string, string>
  /** What it reads on its standard input; nothing by default. */
  input?: string | Uint8Array
}

/** Runs a program on the host to its end, whatever its exit code; one that takes too long is killed. */
export async function exec(file: string, args: string[], options: ExecOptions = {}): Promise<Ended> {
  const child = spawn(file, args, {
    cwd: options.cwd ?? repository,
    env: { ...process.env, ...options.env },
    stdio: "pipe",
    timeout: deadlineMs,
    killSignal: "SIGKILL",
  })
  // A program that does not read its input is no error.
  child.stdin.on("error", () => undefined)
  child.stdin.end(options.input ?? "")
  const output = Promise.all([text(child.stdout), text(child.stderr)])
  const [code, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null]
  const [stdout, stderr] = await output
  return { code, signal, stdout, stderr }
}

/** Runs the built `opensandbox` command to its end. */
export function opensandbox(args: string[], options: ExecOptions = {}): Promise<Ended> {
  return exec(process.execPath, [cli, ...args], options)
}
