import { spawn, type ChildProcessByStdio } from "node:child_process"
import type { Readable, Writable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { Failure } from "../failure.js"

/** The bytes that a zstd process makes of others, and its end. */
export interface ZstdStream {
  /**
   * Throws what the source failed with, a Failure when there is no zstd on this host, and a {@link ZstdError} when zstd
   * could make nothing of its input.
   */
  readonly output: AsyncIterable<Buffer>
  /** Ends the process if it still runs, and the source with it. Fulfilled when it is gone. */
  stop(): Promise<void>
}

/** What zstd was given is no zstd stream, or was damaged, or was cut off. */
export class ZstdError extends Error {
  override name = "ZstdError"
}

/** Decompressing takes the memory that the sender chose; what compressed here chose 2 MiB. */
const windowLimit = "--memory=32MiB"

/** Bounds what zstd takes in all, whatever the sender chose. */
const addressSpace = `--as=${512 * 1024 * 1024}`

/** The machines come first, but somebody waits for this. */
const lowPriority = ["-n", "5"]

/** How `nice` and `prlimit` end when they find no program to run. */
const noProgram = 127

/** How much of what zstd complains about is kept. */
const maxComplaint = 1000

export function compress(source: Readable): ZstdStream {
  return run(["zstd", "-q", "-c", "-T0", "-3"], source)
}

/** The source may be anything, so the process has little to waste. */
export function decompress(source: Readable): ZstdStream {
  return run(["prlimit", addressSpace, "--core=0", "zstd", "-q", "-d", "-c", windowLimit], source)
}

function run(command: string[], source: Readable): ZstdStream {
  const child = spawn("nice", [...lowPriority, ...command], { stdio: ["pipe", "pipe", "pipe"] })
  const ended = endOf(child)
  const fed = pipeline(source, child.stdin).then(
    () => undefined,
    (error: unknown) => error,
  )
  async function* output(): AsyncGenerator<Buffer, void, undefined> {
    // Broken off only by the end of the process, which is looked into below.
    const broken = yield* piecesOf(child.stdout)
    const [sourceFailure, zstdFailure] = await Promise.all([fed, ended])
    // A source that failed leaves zstd with half an input, and a zstd that failed leaves the source with a closed pipe.
    if (sourceFailure instanceof Failure) throw sourceFailure
    if (zstdFailure !== undefined) throw zstdFailure
    if (sourceFailure !== undefined) throw sourceFailure as Error
    if (broken !== undefined) throw broken
  }
  const stop = async () => {
    child.kill("SIGKILL")
    child.stdout.destroy()
    source.destroy()
    await Promise.all([fed, ended])
  }
  return { output: output(), stop }
}

/** @returns what the stream broke off with, undefined when it came to its end. */
async function* piecesOf(stream: Readable): AsyncGenerator<Buffer, Error | undefined, undefined> {
  try {
    for await (const piece of stream) yield piece as Buffer
    return undefined
  } catch (error) {
    return error as Error
  }
}

/** Fulfilled when the process is gone: undefined when it did all that it was to do. */
function endOf(child: ChildProcessByStdio<Writable, Readable, Readable>): Promise<Error | undefined> {
  let complaint = ""
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaint = (complaint + text).slice(0, maxComplaint)
  })
  return new Promise((resolve) => {
    child.once("error", () => {
      resolve(missing())
    })
    child.once("close", (code) => {
      if (code === 0) resolve(undefined)
      else resolve(code === noProgram ? missing() : new ZstdError(complaint.trim()))
    })
  })
}

function missing(): Failure {
  return new Failure(
    "unavailable",
    'The server has no zstd, which archives are made with: install it there ("opensandbox doctor" says how).',
  )
}
