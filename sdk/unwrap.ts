import { OpenSandboxError } from "./opensandbox-error.js"
import type { Failure } from "./results.js"

/**
 * The success that a result is, for those who prefer exceptions to results.
 * @throws OpenSandboxError when it is a failure, with its text and its code
 * @example
 * const { sandbox } = unwrap(await client.create("my-sandbox"))
 * console.log(unwrap(await sandbox.run("uname -a")).stdout)
 */
export function unwrap<Result extends { success: true } | Failure>(
  result: Result,
): Extract<Result, { success: true }> {
  if (isSuccess(result)) return result
  throw new OpenSandboxError(result as Failure)
}

function isSuccess<Result extends { success: boolean }>(
  result: Result,
): result is Extract<Result, { success: true }> {
  return result.success
}
