import type { z } from "zod"

/**
 * The first broken rule of a request: the name of the offending field (`body` when it is the body as a whole) and
 * what is wrong and allowed, for people.
 */
export function invalidRequest(refusal: z.ZodError): { error: string; field: string } {
  const [issue] = refusal.issues
  if (issue === undefined) return { error: "Invalid request", field: "body" }
  const field = issue.code === "unrecognized_keys" ? issue.keys[0] : issue.path.join(".")
  return {
    error: `Invalid request: ${issue.message}`,
    field: field === undefined || field === "" ? "body" : field,
  }
}
