import { z } from "zod"
import { defaultTimeoutSeconds, maxCommandBytes, maxTimeoutSeconds } from "../limits.js"
import { requestBody } from "./rules.js"

const commandRule = '"command" must be a string that is not blank, holds no NUL and has at most 256 KiB'
const timeoutRule = `"timeout" must be a number of seconds above 0 and at most ${maxTimeoutSeconds}`
const snapshotRule = '"snapshot" must be true or false'

export const runRequest = requestBody({
  command: z
    .string({ error: commandRule })
    .max(maxCommandBytes, { error: commandRule })
    .regex(/^\s*[^\s\0][^\0]*$/, { error: commandRule })
    .refine((command) => new TextEncoder().encode(command).length <= maxCommandBytes, { error: commandRule })
    .describe("The shell command, run by bash in /workspace. At most 256 KiB of UTF-8."),
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
}).describe("The command to run.")

export const runAnswer = z
  .object({
    stdout: z.string().describe("What the command printed on its standard output, decoded as UTF-8."),
    stderr: z.string().describe("What the command printed on its standard error, decoded as UTF-8."),
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
