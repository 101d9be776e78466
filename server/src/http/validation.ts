import type { ZodType } from "zod"
import { invalidRequest } from "opensandbox/contract"
import { Failure } from "../failure.js"

/** `value` as the schema has it. Fails with `invalid_request` and the name of the field or parameter that breaks a rule. */
export function validated(schema: ZodType, value: unknown): unknown {
  const { success, data, error: refusal } = schema.safeParse(value)
  if (success) return data
  const { error, field } = invalidRequest(refusal)
  throw new Failure("invalid_request", error, { field })
}
