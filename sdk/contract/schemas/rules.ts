import { z } from "zod"

const nameRule =
  '"name" must be 1 to 63 lower-case letters, digits and hyphens, with a letter or digit at both ends'
const snapshotRule = (field: string) =>
  `"${field}" must be the name or label of a snapshot, 1 to 128 characters`
const pathRule = (field: string) => `"${field}" must be a path of 1 to 4096 bytes without NUL`

/** The longest path that Linux takes, in bytes of UTF-8. */
const maxPathBytes = 4096

const quoted = (names: readonly string[]) => names.map((name) => `"${name}"`).join(", ")

/** An object of which unknown fields are refused by name, so that a misspelt one is not silently ignored. */
function strict<Shape extends z.core.$ZodLooseShape>(shape: Shape, field: string, rule: string) {
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === "unrecognized_keys"
        ? `unknown ${field} ${quoted(issue.keys)}; allowed: ${quoted(Object.keys(shape))}`
        : rule,
  })
}

/** A request's JSON. One with `.prefault({})` may be left out. */
export const requestBody = <Shape extends z.core.$ZodLooseShape>(shape: Shape, what = "the body") =>
  strict(shape, "field", `${what} must be a JSON object, sent with content-type application/json`)

/** What follows the `?` of a URL; all values are strings still. */
export const queryParameters = <Shape extends z.core.$ZodLooseShape>(shape: Shape) =>
  strict(shape, "parameter", "the query must be parameters")

/** The number by which the server tells things of one kind apart. */
export const number = z.int().positive()

export const bytes = z.int().nonnegative()

export const createdAt = z.iso.datetime().describe("When it was created, ISO 8601 in UTC.")

export const sandboxName = z
  .string({ error: nameRule })
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, { error: nameRule })
  .describe("The sandbox's name: a DNS label of 1 to 63 lower-case letters, digits and hyphens.")

/** What a request calls a snapshot by, in the field or parameter of that name. */
export const snapshotReference = (field: string) =>
  z
    .string({ error: snapshotRule(field) })
    .min(1, { error: snapshotRule(field) })
    .max(128, { error: snapshotRule(field) })
    .describe("The snapshot's name (`initial`, or as in `cmd_1767225600000`) or its label.")

/** A file in the guest. */
export const guestPath = (field: string) =>
  z
    .string({ error: pathRule(field) })
    .max(maxPathBytes, { error: pathRule(field) })
    .regex(/^[^\0]+$/, { error: pathRule(field) })
    .refine((path) => new TextEncoder().encode(path).length <= maxPathBytes, { error: pathRule(field) })
    .describe("The file's path; one that is not absolute is taken from /workspace.")
