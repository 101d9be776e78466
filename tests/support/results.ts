import type { Failure } from "opensandbox"

/** The success that a result must be. @throws Error with the failure's text when it is one. */
export function succeeded<Result extends { success: boolean }>(
  result: Result,
): Extract<Result, { success: true }> {
  if (!isSuccess(result)) throw new Error(`it should have succeeded: ${JSON.stringify(result)}`)
  return result
}

/** The failure that a result must be. @throws Error with the result when it is a success. */
export function failed(result: { success: true } | Failure): Failure {
  if (result.success) throw new Error(`it should have failed: ${JSON.stringify(result)}`)
  return result
}

function isSuccess<Result extends { success: boolean }>(
  result: Result,
): result is Extract<Result, { success: true }> {
  return result.success
}
