import { z } from "zod"
import { defaultTimeoutSeconds, maxStdinBytes, maxTimeoutSeconds } from "../limits.js"
import { environment, shellCommand, userName, workingDirectory } from "./command.js"
import { requestBody } from "./rules.js"

const timeoutRule = `"timeout" must be a number of seconds above 0 and at most ${maxTimeoutSeconds}`
const snapshotRule = '"snapshot" must be true or false'
const stdinRule = '"stdin" must be a string, or { "base64": … } for bytes, of at most 1 MiB'
const encodingRule = '"encoding" must be "utf8" or "base64"'
const streamRule = '"stream" must be true or false'

const stdin = z
  .union(
    [
      z.string().describe("Text."),
      z.strictObject({ base64: z.base64({ error: stdinRule }) }).describe("Bytes, in base64."),
    ],
    { error: stdinRule },
  )
  .refine((input) => stdinBytes(input) <= maxStdinBytes, { error: stdinRule })
  .describe(
    "What the command reads on its standard input, at most 1 MiB; nothing when left out. Write more than that into a file first.",
  )

function stdinBytes(input: string | { base64: string }): number {
  if (typeof input === "string") return new TextEncoder().encode(input).length
  return Math.floor((input.base64.replace(/=+$/, "").length * 3) / 4)
}

export const runRequest = requestBody({
  command: shellCommand,
  timeout: z
    .number({ error: timeoutRule })
    .gt(0, { error: timeoutRule })
    .max(maxTimeoutSeconds, { error: timeoutRule })
    .default(defaultTimeoutSeconds)
    .describe("Seconds until the command is killed, with everything it started. Default 30, at most 86400."),
  snapshot: z
    .boolean({ error: snapshotRule })
    .default(true)
    .describe(
      "Whether a snapshot is taken after the command. Without one its changes are part of the next that is taken.",
    ),
  cwd: workingDirectory.optional(),
  env: environment.optional(),
  user: userName.optional(),
  stdin: stdin.optional(),
  encoding: z
    .enum(["utf8", "base64"], { error: encodingRule })
    .default("utf8")
    .describe(
      "How `stdout` and `stderr` of the answer are written: decoded as UTF-8, or as bytes in base64. An error's are " +
        "text always.",
    ),
  stream: z
    .boolean({ error: streamRule })
    .default(false)
    .describe(
      "Whether an answer of server-sent events also carries the output as it comes, ahead of the result: in events " +
        "`stdout` and `stderr`, each with a JSON string as its data, which `encoding` says how to read. No character " +
        "is split between two. The command waits for a client that reads slowly; one that takes nothing for 30 seconds " +
        "gets no more of them, only the result.",
    ),
}).describe("The command to run. It is killed when the connection is closed before the answer.")

export const runAnswer = z
  .object({
    stdout: z.string().describe("What the command printed on its standard output, as `encoding` says."),
    stderr: z.string().describe("What the command printed on its standard error, likewise."),
    exitCode: z
      .int()
      .describe("The command's exit code; 128 and the signal's number when a signal ended it."),
    snapshot: z
      .string()
      .nullable()
      .describe("The name of the snapshot taken after the command; null when the request wanted none."),
    stdoutTruncated: z.boolean().describe("Whether `stdout` was cut at the server's limit."),
    stderrTruncated: z.boolean().describe("Whether `stderr` was cut at the server's limit."),
  })
  .describe("A command that ran to its end, whatever its exit code.")
