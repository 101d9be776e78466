import { z } from "zod"
import { errorCodes, type ErrorCode } from "./error-codes.js"
import { defaultTimeoutSeconds, maxCommandBytes, maxTimeoutSeconds } from "./limits.js"

const nameRule =
  '"name" must be 1 to 63 lower-case letters, digits and hyphens, with a letter or digit at both ends'
const commandRule = '"command" must be a string that is not blank, holds no NUL and has at most 256 KiB'
const timeoutRule = `"timeout" must be a number of seconds above 0 and at most ${maxTimeoutSeconds}`
const snapshotRule = '"snapshot" must be the name of a snapshot, 1 to 128 characters'
const keyNameRule = '"name" must be a string of 1 to 64 characters that is not blank'
const keyIdRule = '"id" must be the number of a key'

const quoted = (names: readonly string[]) => names.map((name) => `"${name}"`).join(", ")

/** A request body: unknown fields are refused by name, so that a misspelt one is not silently ignored. */
function requestBody<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === "unrecognized_keys"
        ? `unknown field ${quoted(issue.keys)}; allowed: ${quoted(Object.keys(shape))}`
        : "the body must be a JSON object, sent with content-type application/json",
  })
}

const number = z.int().positive()

const port = z.int().min(1).max(65_535)

const createdAt = z.iso.datetime().describe("When it was created, ISO 8601 in UTC.")

const sandboxName = z
  .string({ error: nameRule })
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, { error: nameRule })
  .describe("The sandbox's name: a DNS label of 1 to 63 lower-case letters, digits and hyphens.")

const snapshotName = z
  .string({ error: snapshotRule })
  .min(1, { error: snapshotRule })
  .max(128, { error: snapshotRule })
  .describe("The snapshot's name: `initial`, or `cmd_` and the time in Unix milliseconds.")

export const vmParams = z.object({ name: sandboxName })

export const snapshotParams = z.object({ name: sandboxName, snapshot: snapshotName })

export const keyParams = z.object({
  id: z
    .string({ error: keyIdRule })
    .regex(/^[1-9][0-9]{0,14}$/, { error: keyIdRule })
    .transform(Number)
    .describe("The key's number."),
})

export const createRequest = requestBody({ name: sandboxName }).describe("The sandbox to create.")

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
}).describe("The command to run.")

export const createKeyRequest = requestBody({
  name: z
    .string({ error: keyNameRule })
    .max(64, { error: keyNameRule })
    .regex(/\S/, { error: keyNameRule })
    .describe("What the key is for, 1 to 64 characters."),
}).describe("The key to make.")

export const vmInfo = z
  .object({
    id: number.describe("The sandbox's number, unique on this server."),
    name: sandboxName,
    status: z
      .enum(["running", "stopped", "restoring", "failed"])
      .describe(
        "`running`: its machine runs. `stopped`: no machine runs; the next use starts it. `restoring`: it is going " +
          "back to a snapshot. `failed`: its machine cannot be started; a restore may mend it.",
      ),
    agent_port: port.describe(
      "TCP port on the server's loopback address that speaks this API for just this sandbox.",
    ),
    ssh_port: port.describe("TCP port on the server's loopback address that speaks SSH, user `sandbox`."),
    agentHealthy: z.boolean().describe("Whether the agent in the guest answers."),
    accelerator: z
      .enum(["kvm", "tcg"])
      .describe(
        "What runs the guest's instructions: `kvm` is hardware virtualisation; `tcg` is software emulation, " +
          "for development, and gives no isolation guarantee.",
      ),
    created_at: createdAt,
  })
  .describe("A sandbox and the state of its virtual machine.")

export const vmList = z
  .object({ vms: z.array(vmInfo).describe("The sandboxes, by creation time.") })
  .describe("All sandboxes of the key.")

export const snapshot = z
  .object({
    id: number.describe("The snapshot's number, unique on this server."),
    vm_name: z.string().describe("The name of the sandbox that it belongs to."),
    snapshot_name: z
      .string()
      .describe("Its name, unique in its sandbox: `initial`, or `cmd_` and the time in Unix milliseconds."),
    command: z.string().nullable().describe("The command after which it was taken; null for `initial`."),
    created_at: createdAt,
  })
  .describe("A named point that a sandbox can return to.")

export const snapshotList = z
  .object({ snapshots: z.array(snapshot).describe("The snapshots, by creation time.") })
  .describe("Snapshots.")

export const runAnswer = z
  .object({
    stdout: z.string().describe("What the command printed on its standard output, decoded as UTF-8."),
    stderr: z.string().describe("What the command printed on its standard error, decoded as UTF-8."),
    exitCode: z
      .int()
      .describe("The command's exit code; 128 and the signal's number when a signal ended it."),
    snapshot: z.string().describe("The name of the snapshot taken after the command."),
    stdoutTruncated: z.boolean().describe("Whether `stdout` was cut at the server's limit."),
    stderrTruncated: z.boolean().describe("Whether `stderr` was cut at the server's limit."),
  })
  .describe("A command that ran to its end, whatever its exit code.")

export const message = z
  .object({ message: z.string().describe("What was done, for people.") })
  .describe("Confirmation.")

export const health = z
  .object({
    status: z.literal("ok").describe("Always `ok`: a server that is not well does not answer."),
    timestamp: z.iso.datetime().describe("The server's clock, ISO 8601 in UTC."),
  })
  .describe("The server is up.")

const keyFields = {
  id: number.describe("The key's number."),
  name: z.string().describe("What the key is for."),
  role: z
    .enum(["admin", "user"])
    .describe("`user`: sees only its own sandboxes. `admin`: may manage keys as well."),
  created_at: createdAt,
}

export const keyInfo = z
  .object({ ...keyFields, prefix: z.string().describe("How the key begins, to tell keys apart.") })
  .describe("An API key, without its secret.")

export const newKey = z
  .object({ ...keyFields, key: z.string().describe("The key itself. This is the only time it is shown.") })
  .describe("A new API key.")

export const keyList = z
  .object({ keys: z.array(keyInfo).describe("The keys that are not revoked.") })
  .describe("API keys.")

export const openApi = z.looseObject({ openapi: z.string() }).describe("An OpenAPI 3.1 document.")

export const errorBody = z
  .object({
    error: z.string().describe("What went wrong and what to do about it, for people."),
    code: z
      .enum(Object.keys(errorCodes) as [ErrorCode, ...ErrorCode[]])
      .describe("What went wrong, for programs."),
    field: z.string().optional().describe("The request's field or path parameter that breaks a rule."),
    stdout: z.string().optional().describe("What a command that did not run to its end had printed so far."),
    stderr: z.string().optional().describe("Likewise, on its standard error."),
  })
  .describe("Why a request failed.")
