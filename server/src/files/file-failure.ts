import { AgentError } from "@opensandbox/vm"
import type { ErrorCode } from "opensandbox/contract"
import { Failure } from "../failure.js"
import { guestFailure } from "../sandboxes/guest-answer.js"

/** What the guest's codes are to a caller; the text follows the path. */
const meanings: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  not_found: ["not_found", "does not exist."],
  not_a_file: ["invalid_request", "is no regular file."],
  not_a_directory: ["invalid_request", "is no directory, or leads through something that is none."],
  not_empty: ["invalid_request", "is a directory that holds something: remove it with `recursive`."],
  already_exists: ["already_exists", "exists already."],
  not_permitted: ["invalid_request", "may not be changed or read in that way."],
  bad_path: [
    "invalid_request",
    "cannot be used for that: it may be too long, end in . or .., be a ring of links, inside itself, or on another disk.",
  ],
  too_large: ["too_large", "would be larger than a file can be."],
}

/**
 * What a caller may know of an error that work on files came to.
 *
 * @param path What the request is about.
 * @param target What it is to become, if that is something else.
 */
export function fileFailure(error: unknown, path: string, target = path): Failure {
  if (!(error instanceof AgentError)) return guestFailure(error)
  if (error.code === "no_space") {
    return new Failure(
      "disk_full",
      "The sandbox's own disk is full: remove files from it. Nothing was changed.",
    )
  }
  if (error.code === "unknown_owner") {
    const text = 'Invalid request: "owner" names a user or a group that the sandbox does not have.'
    return new Failure("invalid_request", text, { field: "owner" })
  }
  const [code, text] = meanings[error.code] ?? []
  if (code === undefined || text === undefined) return guestFailure(error)
  const named = code === "not_found" ? path : target
  return new Failure(code, `"${named}" ${text}`, { field: fieldOf(named, path, target) })
}

function fieldOf(named: string, path: string, target: string): string {
  if (path === target) return "path"
  return named === path ? "from" : "to"
}
