import type { ErrorCode } from "./contract/error-codes.js"
import type { Failure } from "./results.js"

/** A failure as an error, for those who prefer exceptions. The message is the failure's `error`. */
export class OpenSandboxError extends Error {
  override readonly name = "OpenSandboxError"
  /** What went wrong, for programs. */
  readonly code: ErrorCode
  /** All that the failure tells, as the `stdout` and `stderr` of a command that did not run to its end. */
  readonly failure: Failure

  constructor(failure: Failure) {
    super(failure.error)
    this.code = failure.code
    this.failure = failure
  }
}
