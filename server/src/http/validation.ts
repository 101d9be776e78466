import type { ZodObject } from "zod"
import { invalidRequest } from "opensandbox/contract"
import { Failure } from "../failure.js"

/** `value` as the schema has it. Fails with `invalid_request` and the name of the field that breaks a rule. */
export function validated(schema: ZodObject, value: unknown): unknown {
  const { success, data, error: refusal } = schema.safeParse(value)
  if (success) return data
  const { error, field } = invalidRequest(refusal)
  throw new Failure("invalid_request", error, { field })
}
