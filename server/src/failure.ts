import type { ErrorCode } from "opensandbox/contract"

/** What a failure can tell beyond its code and message. */
export interface FailureDetails {
  /** The name of the offending field of the request. */
  field?: string
  /** What the command had printed before it was stopped. */
  stdout?: string
  stderr?: string
}

/**
 * A failure that the caller may see: the code is for programs, the message for people and says what to do.
 * Anything else that is thrown is a fault of the server, and its text is never shown.
 */
export class Failure extends Error {
  readonly code: ErrorCode
  readonly details: FailureDetails

  /** @param options Its cause, for the log. */
  constructor(code: ErrorCode, message: string, details: FailureDetails = {}, options?: ErrorOptions) {
    super(message, options)
    this.name = "Failure"
    this.code = code
    this.details = details
  }
}
