import { z } from "zod"
import { bytes, requestBody } from "./rules.js"

const wholeRule = (field: string) => `"${field}" must be a whole number from 1, or null for no limit`
const daysRule = '"keep_days" must be a number above 0, or null for no limit'

const limit = (field: string) =>
  z
    .int({ error: wholeRule(field) })
    .min(1, { error: wholeRule(field) })
    .nullable()
    .optional()

const limits = {
  keep_last: limit("keep_last").describe("How many of the newest snapshots are kept."),
  keep_days: z
    .number({ error: daysRule })
    .gt(0, { error: daysRule })
    .nullable()
    .optional()
    .describe("For how many days a snapshot is kept."),
  max_bytes: limit("max_bytes").describe(
    "Bytes on the server's disk above which the oldest snapshots are deleted.",
  ),
  quota_bytes: limit("quota_bytes").describe(
    "Bytes on the server's disk at which commands fail with `quota_exceeded` before they run.",
  ),
}

export const retentionRequest = requestBody(limits, "the retention").describe(
  "Which snapshots are kept and how much disk the sandbox may take. Snapshots with a label and `initial` are always " +
    "kept. A limit that is left out is the server's default; null is none.",
)

export const retentionStatus = z
  .object({
    keep_last: z.int().nullable().describe("How many of the newest snapshots are kept; null for all."),
    keep_days: z.number().nullable().describe("For how many days a snapshot is kept; null for ever."),
    max_bytes: z
      .int()
      .nullable()
      .describe(
        "Bytes on the server's disk above which the oldest snapshots are deleted; null for no limit.",
      ),
    quota_bytes: z
      .int()
      .nullable()
      .describe(
        "Bytes on the server's disk at which commands fail with `quota_exceeded`; null for no limit.",
      ),
    bytes: bytes.describe("Bytes on the server's disk that the sandbox's layers take now."),
    snapshots: z.int().nonnegative().describe("How many snapshots the sandbox has now."),
  })
  .describe("The limits in effect for a sandbox, and what it takes now.")
