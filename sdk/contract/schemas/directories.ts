import { z } from "zod"
import { bytes, guestPath, queryParameters } from "./rules.js"

const flag = (field: string, fallback: "true" | "false") =>
  z
    .enum(["true", "false"], { error: `"${field}" must be true or false` })
    .default(fallback)
    .transform((text) => text === "true")

const directoryPath = guestPath("path").describe(
  "The directory's path; one that is not absolute is taken from /workspace.",
)

export const packQuery = queryParameters({ path: directoryPath })

export const unpackQuery = queryParameters({
  path: directoryPath.describe(
    "The directory's path, which is made if it is missing; one that is not absolute is taken from /workspace.",
  ),
  snapshot: flag("snapshot", "true").describe("Whether a snapshot is taken after it. Default true."),
})

export const watchQuery = queryParameters({
  path: directoryPath.describe(
    "The path of a directory or a file; one that is not absolute is taken from /workspace. A file is watched by its " +
      "name: what takes its place is watched on.",
  ),
  recursive: flag("recursive", "false").describe(
    "Whether also the directories below are watched, 8,000 at most. Default false.",
  ),
})

export const directorySize = z
  .object({
    files: z.int().nonnegative().describe("How many files, directories and links are in it."),
    bytes: bytes.describe("What is in the files, in bytes."),
  })
  .describe("How much is in a directory.")

export const unpackAnswer = z
  .object({
    files: z.int().nonnegative().describe("How many files, directories and links were made."),
    bytes: bytes.describe("What is in the files, in bytes."),
    snapshot: z
      .string()
      .nullable()
      .describe("The name of the snapshot taken after it; null when none was wanted."),
  })
  .describe("What was made of an archive.")
