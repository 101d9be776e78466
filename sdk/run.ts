import { fromBase64, toBase64 } from "./base64.js"
import type { Call, Caller } from "./call.js"
import { defaultTimeoutSeconds, maxTimeoutSeconds } from "./contract/limits.js"
import { failure, type Failure } from "./results.js"
import { isRunAnswer } from "./shapes.js"
import type { RecordedRun, UnrecordedRun } from "./wire-types.js"

/** Milliseconds that the server gets on top of a command's own timeout, to start its machine and take the snapshot. */
const graceMs = 60_000

/** Seconds from which on a command's answer comes as an event stream; Node's fetch gives up on headers after 300. */
const eventStreamSeconds = 120

/** How to run a command, whatever becomes of its output. */
interface CommandOptions {
  /** Seconds until the command is killed, with everything it started. Default 30, at most 86400. */
  timeout?: number | undefined
  /** The directory that it starts in; a relative path begins in /workspace. Default /workspace. */
  cwd?: string | undefined
  /** Variables on top of the usual environment, 128 KiB in all. */
  env?: Readonly<Record<string, string>> | undefined
  /**
   * Who runs it: the name or number of a user in the guest's /etc/passwd. Default root, to whom /workspace belongs: others
   * can read it, and write where root lets them.
   */
  user?: string | number | undefined
  /** What it reads on its standard input, at most 1 MiB. Default nothing. */
  stdin?: string | Uint8Array | undefined
  /** Kills the command when it is aborted; it takes no snapshot then, and the result is a failure with code `aborted`. */
  signal?: AbortSignal | undefined
  /** Whether a snapshot is taken after the command. Default true. */
  snapshot?: boolean | undefined
}

/** What hears a command's output while it runs, in the order in which it was printed on that stream. */
interface Listeners<Chunk> {
  /**
   * Called with each piece of the standard output as it comes; `stdout` of the result has all of it again, up to the
   * server's limit. A promise that it gives is waited for, and the command waits with it, but for 30 seconds at most: then
   * it goes on, and what could not be told meanwhile comes with the result. What it throws, `run` throws, and the command
   * is killed.
   */
  onStdout?: ((chunk: Chunk) => unknown) | undefined
  /** The same for the standard error. */
  onStderr?: ((chunk: Chunk) => unknown) | undefined
}

/** How to run a command whose output is text. */
export interface RunOptions extends CommandOptions, Listeners<string> {
  /** Output is decoded as UTF-8, in which no character is ever split. */
  encoding?: "utf8" | undefined
}

/** How to run a command whose output is bytes. */
export interface BinaryRunOptions extends CommandOptions, Listeners<Uint8Array<ArrayBuffer>> {
  /** Output is bytes. That of a failure is text all the same. */
  encoding: "buffer"
}

/** What a command that ran to its end left, with output of that form. */
type Ran<Chunk> = { success: true; stdout: Chunk; stderr: Chunk } & Omit<
  RecordedRun | UnrecordedRun,
  "stdout" | "stderr"
>

/** How output is written in what the server sends. */
interface Format<Chunk> {
  encoding: "utf8" | "base64"
  /** What a text stands for; undefined when it is not written so. */
  read: (text: string) => Chunk | undefined
}

const textFormat: Format<string> = { encoding: "utf8", read: (text) => text }
const bytesFormat: Format<Uint8Array<ArrayBuffer>> = { encoding: "base64", read: fromBase64 }

/** Runs a command by the call that does so in its sandbox. */
export function runCommand(
  caller: Caller,
  call: Call,
  command: string,
  options: RunOptions | BinaryRunOptions,
): Promise<Ran<string> | Ran<Uint8Array<ArrayBuffer>> | Failure> {
  return options.encoding === "buffer"
    ? run(caller, call, command, options, bytesFormat)
    : run(caller, call, command, options, textFormat)
}

async function run<Chunk extends string | Uint8Array>(
  caller: Caller,
  call: Call,
  command: string,
  options: CommandOptions & Listeners<Chunk>,
  { encoding, read }: Format<Chunk>,
): Promise<Ran<Chunk> | Failure> {
  const { onStdout, onStderr, snapshot = true } = options
  const told = new Map([
    ["stdout", new Told(onStdout)],
    ["stderr", new Told(onStderr)],
  ])
  const thrown: unknown[] = []
  const onEvent = async (event: string, data: unknown) => {
    const chunk = typeof data === "string" ? read(data) : undefined
    if (chunk === undefined) return
    try {
      await told.get(event)?.tell(chunk)
    } catch (error) {
      thrown.push(error)
      throw error
    }
  }
  const stream = onStdout !== undefined || onStderr !== undefined
  const request = {
    ...call,
    ...requestOf(command, options, { encoding, stream }),
    ...(stream && { onEvent }),
  }
  const answer = await caller.call(request, isRunAnswer(snapshot))
  if (thrown.length > 0) throw thrown[0]
  if (!answer.success) return answer
  const { stdout: out, stderr: err, ...rest } = answer.body
  const [stdout, stderr] = [read(out), read(err)]
  if (stdout === undefined || stderr === undefined) {
    return failure("internal", "The server sent output in a form that is not known here")
  }
  await told.get("stdout")?.tellRest(stdout)
  await told.get("stderr")?.tellRest(stderr)
  return { ...rest, success: true, stdout, stderr }
}

/** What a call to run a command is made of. */
function requestOf(
  command: string,
  { timeout = defaultTimeoutSeconds, cwd, env, user, stdin, signal, snapshot = true }: CommandOptions,
  { encoding, stream }: { encoding: Format<unknown>["encoding"]; stream: boolean },
): Pick<Call, "body" | "deadlineMs" | "eventStream" | "signal"> {
  return {
    body: {
      command,
      timeout,
      cwd,
      env,
      user: user === undefined ? undefined : String(user),
      stdin: stdin instanceof Uint8Array ? { base64: toBase64(stdin) } : stdin,
      ...(encoding !== "utf8" && { encoding }),
      ...(stream && { stream }),
      ...(!snapshot && { snapshot }),
    },
    ...(timeout > 0 && timeout <= maxTimeoutSeconds && { deadlineMs: Math.ceil(timeout * 1000) + graceMs }),
    eventStream: stream || timeout > eventStreamSeconds,
    signal,
  }
}

/** What of one stream its listener was told already. */
class Told<Chunk extends string | Uint8Array> {
  readonly #listener: ((chunk: Chunk) => unknown) | undefined
  #length = 0

  constructor(listener: ((chunk: Chunk) => unknown) | undefined) {
    this.#listener = listener
  }

  async tell(chunk: Chunk): Promise<void> {
    this.#length += chunk.length
    await this.#listener?.(chunk)
  }

  /** Tells what of the whole was not told while the command ran. */
  async tellRest(whole: Chunk): Promise<void> {
    const rest = whole.slice(this.#length) as Chunk
    if (rest.length > 0) await this.tell(rest)
  }
}
