import { z } from "zod"
import { bytes, createdAt, number, requestBody, sandboxName, snapshotReference } from "./rules.js"

const labelRule =
  '"label" must be 1 to 64 letters, digits, ".", "_" and "-", with a letter or digit first, ' +
  'and neither "initial" nor a name as the server gives them, like "cmd_1"'
const memoryRule = '"memory" must be true or false'
const keepRule = '"keep" must be true or false'

/** The names that only the server gives to snapshots. */
const serverMade = /^(initial|(cmd|snap|fork|file|import)_[0-9]+)$/

export const snapshotParams = z.object({ name: sandboxName, snapshot: snapshotReference("snapshot") })

/** A name that a user may give to a snapshot. */
export const snapshotLabel = z
  .string({ error: labelRule })
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, { error: labelRule })
  .refine((label) => !serverMade.test(label), { error: labelRule })

export const snapshotRequest = requestBody({
  label: snapshotLabel
    .optional()
    .describe(
      "A name of one's own for the snapshot, unique in its sandbox and good wherever its name is: 1 to 64 letters, " +
        "digits, `.`, `_` and `-`, with a letter or digit first. A snapshot with a label is kept for good.",
    ),
  memory: z
    .boolean({ error: memoryRule })
    .optional()
    .describe(
      "Whether it holds the whole machine, with memory and processes; when left out, as those that the sandbox takes by " +
        "itself.",
    ),
})
  .prefault({})
  .describe("The snapshot to take.")

export const restoreRequest = requestBody({
  keep: z
    .boolean({ error: keepRule })
    .default(false)
    .describe("Whether the present is first forked into a new sandbox, so that nothing is lost."),
})
  .prefault({})
  .describe("How to restore.")

export const snapshot = z
  .object({
    id: number.describe("The snapshot's number, unique on this server."),
    vm_name: z.string().describe("The name of the sandbox that it belongs to."),
    snapshot_name: z
      .string()
      .describe(
        "Its name, unique in its sandbox: `initial`, or what it was taken for and the time in Unix milliseconds: " +
          "`cmd_` after a command, `file_` after a change of files through the API, `snap_` by hand.",
      ),
    label: z.string().nullable().describe("The name that its user gave it, if any."),
    parent: z.string().nullable().describe("The `snapshot_name` of the one before; null for the first."),
    command: z
      .string()
      .nullable()
      .describe("The command after which it was taken; null when there was none."),
    exit_code: z.int().nullable().describe("That command's exit code."),
    duration_ms: z.number().nonnegative().nullable().describe("How long that command took, in milliseconds."),
    bytes: bytes.describe("What it added on the server's disk when it was taken, in bytes."),
    kind: z
      .enum(["disk", "machine"])
      .describe("What it holds: `disk`, the files; `machine`, memory, processes and files of one instant."),
    damaged: z
      .boolean()
      .describe("Whether what it rests on was damaged on the server's disk, so that it cannot be restored."),
    degraded: z
      .boolean()
      .describe(
        "Whether its memory was damaged on the server's disk, so that a restore brings back its files alone.",
      ),
    created_at: createdAt,
  })
  .describe("A named point that a sandbox can return to.")

export const snapshotList = z
  .object({ snapshots: z.array(snapshot).describe("The snapshots, by creation time.") })
  .describe("Snapshots.")

const degraded = z
  .string()
  .optional()
  .describe(
    "Why memory and processes of a snapshot of the whole machine could not be brought back, only its files; left out " +
      "when all is as it was.",
  )

export const restoreAnswer = z
  .object({
    message: z.string().describe("What was done, for people."),
    kept: z.string().optional().describe("The name of the new sandbox that holds what was the present."),
    degraded,
  })
  .describe("The sandbox is back at the snapshot.")

export const undoAnswer = z
  .object({
    message: z.string().describe("What was done, for people."),
    snapshot: z.string().describe("The name of the snapshot that the sandbox is back at."),
    degraded,
  })
  .describe("The sandbox is back at the snapshot before its newest one.")
