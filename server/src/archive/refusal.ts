import { ForeignFileError } from "@opensandbox/vm"
import { Failure } from "../failure.js"
import { asFailure } from "../storage/storage-failure.js"

/**
 * What the sender of an archive is told that is not taken in; nothing of it is kept.
 *
 * @param cause What the log tells beside it.
 */
export function refusal(complaint: string, cause?: unknown): Failure {
  const message = `The archive cannot be imported: ${complaint}.`
  return new Failure("invalid_request", message, { field: "archive" }, { cause })
}

/** Tells what is wrong with a file of the archive from what went wrong on this host while it was looked at. */
export function asRefusal(error: unknown, file: string): Failure {
  const failure = asFailure(error)
  const hostFull = failure.code === "disk_full"
  return error instanceof ForeignFileError && !hostFull
    ? refusal(`${file}: ${error.message}`, error)
    : failure
}
