import { AgentError } from "@opensandbox/vm"
import { Failure } from "../failure.js"
import { fileFailure } from "../files/file-failure.js"

/** What a caller may know of an error that work on a directory came to. @param path What the request is about. */
export function directoryFailure(error: unknown, path: string): Failure {
  if (!(error instanceof AgentError)) return fileFailure(error, path)
  const { code, message } = error
  if (code === "bad_archive") {
    const text = `The archive is refused: ${message}. What came before that stays.`
    return new Failure("invalid_request", text, { field: "body" })
  }
  if (code === "no_space") {
    return new Failure(
      "disk_full",
      "The sandbox's own disk is full: remove files from it. What came before that stays.",
    )
  }
  if (code === "too_large") {
    const text = `There are too many directories in "${path}" to watch, more than 8,000: watch one with fewer.`
    return new Failure("limit_reached", text, { field: "path" })
  }
  return fileFailure(error, path)
}
