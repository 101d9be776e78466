import { z } from "zod"
import { maxFileDepth } from "../limits.js"
import { bytes, guestPath, queryParameters, requestBody } from "./rules.js"

const modeRule = '"mode" must be 3 or 4 octal digits, as in "644"'
const ownerRule = '"owner" must be a user, or a user and a group as in "node:node", of at most 128 characters'
const depthRule = `"depth" must be a whole number from 1 to ${maxFileDepth}`
const switchRule = (field: string) => `"${field}" must be true or false`
const offsetRule = (field: string) => `"${field}" must be a whole number of bytes`

const mode = z
  .string({ error: modeRule })
  .regex(/^[0-7]{3,4}$/, { error: modeRule })
  .optional()
  .describe("The permission bits in octal digits, as chmod takes them.")

const owner = z
  .string({ error: ownerRule })
  .max(128, { error: ownerRule })
  .regex(/^[^:\s\0]+(:[^:\s\0]+)?$/, { error: ownerRule })
  .optional()
  .describe("The owner, as chown takes it: a user, or a user and a group with a colon, by name or by number.")

const snapshotText = "Whether a snapshot is taken after the change. Default true."

const inBody = (field: string, byDefault: boolean, meaning: string) =>
  z
    .boolean({ error: switchRule(field) })
    .default(byDefault)
    .describe(meaning)

const inQuery = (field: string, byDefault: boolean, meaning: string) =>
  z
    .enum(["true", "false"], { error: switchRule(field) })
    .default(byDefault ? "true" : "false")
    .transform((text) => text === "true")
    .describe(meaning)

const byteCount = (field: string) =>
  z
    .string({ error: offsetRule(field) })
    .regex(/^\d{1,15}$/, { error: offsetRule(field) })
    .transform(Number)

export const pathQuery = queryParameters({ path: guestPath("path") })

export const listQuery = queryParameters({
  path: guestPath("path").default("."),
  depth: z
    .string({ error: depthRule })
    .regex(/^[1-9]\d{0,3}$/, { error: depthRule })
    .transform(Number)
    .refine((depth) => depth <= maxFileDepth, { error: depthRule })
    .default(1)
    .describe("How many levels are listed: 1, the default, for what is in the directory itself."),
})

export const readQuery = queryParameters({
  path: guestPath("path"),
  offset: byteCount("offset").default(0).describe("The first byte to read. Default 0."),
  length: byteCount("length").optional().describe("The most bytes to read; to the file's end when left out."),
})

export const writeQuery = queryParameters({
  path: guestPath("path"),
  append: inQuery("append", false, "Whether the content is added to the file's. Default false."),
  mode,
  owner,
  snapshot: inQuery("snapshot", true, snapshotText),
})

export const removeQuery = queryParameters({
  path: guestPath("path"),
  recursive: inQuery(
    "recursive",
    false,
    "Whether a directory is removed with all that is in it. Default false.",
  ),
  snapshot: inQuery("snapshot", true, snapshotText),
})

export const directoryRequest = requestBody({
  path: guestPath("path"),
  mode,
  owner,
  snapshot: inBody("snapshot", true, snapshotText),
}).describe("The directory to make.")

const fromTo = {
  from: guestPath("from"),
  to: guestPath("to"),
  overwrite: inBody(
    "overwrite",
    false,
    "Whether what has the name `to` is replaced; never a directory that holds something. Default false.",
  ),
  snapshot: inBody("snapshot", true, snapshotText),
}

export const renameRequest = requestBody(fromTo).describe("What to rename, and to what.")

export const copyRequest = requestBody(fromTo).describe("What to copy, and to where.")

export const attributesRequest = requestBody({
  path: guestPath("path"),
  mode,
  owner,
  snapshot: inBody("snapshot", true, snapshotText),
}).describe("The attributes to set.")

export const fileInfo = z
  .object({
    path: z
      .string()
      .describe(
        "Its path, as good for further requests as the one it was asked by. A byte of a name that is not UTF-8 is a " +
          "character from U+EF80 to U+EFFF.",
      ),
    name: z.string().describe("The last part of its path."),
    type: z.enum(["file", "directory", "symlink", "other"]).describe("What it is."),
    size: bytes.describe("Its size in bytes."),
    mode: z.string().describe("Its permission bits in octal digits, as in `644`."),
    uid: z.int().nonnegative().describe("The number of the user that owns it."),
    gid: z.int().nonnegative().describe("The number of its group."),
    modified_at: z.iso.datetime().describe("When its content changed last, ISO 8601 in UTC."),
    target: z.string().nullable().describe("What a symbolic link leads to; null when it is none."),
  })
  .describe("A file, or something else that a directory holds.")

export const fileList = z
  .object({
    entries: z
      .array(fileInfo)
      .describe(
        "What the directory holds, each directory right before what is in it, by the bytes of the names; at most 10,000.",
      ),
    truncated: z.boolean().describe("Whether there is more than `entries` holds."),
  })
  .describe("What a directory holds. Links in it are not followed.")

export const filesChanged = z
  .object({
    snapshot: z
      .string()
      .nullable()
      .describe("The name of the snapshot taken after the change; null when the request wanted none."),
  })
  .describe("The change is made.")
