import { errorCodes, type ErrorCode } from "opensandbox/contract"
import type { Logger } from "pino"
import { Failure } from "../failure.js"

/** An error as the wire has it. */
export interface ErrorAnswer {
  status: (typeof errorCodes)[ErrorCode]["status"]
  body: { error: string; code: ErrorCode; field?: string; stdout?: string; stderr?: string }
}

/** The one place where errors become answers: a failure is told, anything else is logged and hidden. */
export function errorAnswer(error: unknown, log: Logger, requestId: string): ErrorAnswer {
  const failure = error instanceof Failure ? error : hidden(error, log, requestId)
  return {
    status: errorCodes[failure.code].status,
    body: { error: failure.message, code: failure.code, ...failure.details },
  }
}

function hidden(error: unknown, log: Logger, requestId: string): Failure {
  log.error({ err: error, requestId }, "a request met an unexpected error")
  return new Failure(
    "internal",
    `The server made a mistake; its log says more under request id ${requestId}.`,
  )
}
