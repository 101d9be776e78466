import { AgentError, DeadlineError } from "@opensandbox/vm"
import { Failure } from "../failure.js"

/** What the caller may know of an error of the agent's. */
export function processFailure(error: unknown, era: AbortSignal): Failure {
  // A restore hangs up on the old machine: that is no accident.
  if (era.aborted) return era.reason as Failure
  if (error instanceof Failure) return error
  if (error instanceof AgentError) return agentFailure(error)
  if (error instanceof DeadlineError) {
    return new Failure("timeout", "The sandbox's agent did not answer in time; try again.")
  }
  return new Failure(
    "unavailable",
    "The sandbox's machine ended, and its processes with it. It starts again from its disk at the next use.",
  )
}

function agentFailure({ code, message }: AgentError): Failure {
  switch (code) {
    case "no_process":
    case "input_closed":
      return new Failure("not_found", `${message.charAt(0).toUpperCase()}${message.slice(1)}.`)
    case "too_many_processes":
    case "too_many_streams":
      return new Failure(
        "limit_reached",
        `Too much goes on in this sandbox: ${message}. Wait for some to end.`,
      )
    case "bad_cwd":
      return new Failure(
        "invalid_request",
        `Invalid request: "cwd" is no directory to start in: ${message}`,
        {
          field: "cwd",
        },
      )
    case "bad_user":
      return new Failure("invalid_request", `Invalid request: "user" is none of the sandbox's: ${message}`, {
        field: "user",
      })
    case "bad_request":
      return new Failure("unavailable", "The sandbox's image is older than this server and cannot do this.")
    default:
      return new Failure("unavailable", `The process could not be reached: ${message}`)
  }
}
