import { z } from "zod"
import { bytes, guestPath, queryParameters, snapshotReference } from "./rules.js"

export const diffQuery = queryParameters({
  from: snapshotReference("from").describe("The snapshot to compare from, by its name or label."),
  to: snapshotReference("to")
    .optional()
    .describe("The snapshot to compare with, by its name or label; the present when left out."),
  patch: guestPath("patch")
    .optional()
    .describe(
      "The path of a text file of at most 4 MiB to compare line by line; one that is not absolute is taken from " +
        "/workspace.",
    ),
})

export const fileQuery = queryParameters({ path: guestPath("path") })

export const change = z
  .object({
    path: z.string().describe("Its absolute path in the guest."),
    change: z.enum(["added", "changed", "removed"]).describe("What became of it."),
    type: z
      .enum(["file", "directory", "symlink", "other"])
      .describe("What it is; what it was, if it is removed."),
    size: bytes
      .nullable()
      .describe("The file's size after the change, in bytes; null when there is no file."),
    previous_size: bytes
      .nullable()
      .describe("The file's size before the change, in bytes; null when there was no file."),
  })
  .describe("One path that differs.")

export const diff = z
  .object({
    from: z.string().describe("The name of the snapshot that was compared from."),
    to: z
      .string()
      .nullable()
      .describe("The name of the snapshot that it was compared with; null for the present."),
    changes: z.array(change).describe("What differs, by path in the order of its bytes; at most 10,000."),
    truncated: z.boolean().describe("Whether more differs than `changes` holds."),
    patch: z
      .string()
      .optional()
      .describe("The unified diff of the file that was asked for; empty when it is the same in both."),
  })
  .describe("What differs between two states of a sandbox's files.")
