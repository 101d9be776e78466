import { constants } from "node:os"
import { AgentError, type Execution, type ExecResult, type Machine } from "@opensandbox/vm"
import { Failure } from "../failure.js"
import { endRequest, guestWork } from "./guest-answer.js"

/**
 * How long the guest may take to confirm the end of a command that nobody waits for, before its machine is ended: one that
 * is busy need not lose its machine then.
 */
const unhurriedKillMilliseconds = 30_000

/** What ends the wait for a command before the command has ended. */
interface Limits {
  /** Aborts with a `Failure` as its reason when the sandbox goes another way. */
  readonly era: AbortSignal
  /** How long the command may take; left out for one that may take for ever. */
  readonly timeoutSeconds?: number
  /** Aborts when nobody wants the command any more: it is killed. */
  readonly caller?: AbortSignal | undefined
  /** Called when the command is about to be killed. */
  readonly onKill?: () => void
}

/**
 * Waits for a command's end, or for whatever makes waiting useless. A command that is not waited for any more is killed,
 * with everything that it started.
 *
 * @throws Failure: `interrupted`, `timeout`, `aborted`, `unavailable` when the machine ended, `disk_full` when it came to
 *   stand still, `invalid_request` when there is no such user or directory.
 */
export async function commandEnd(
  machine: Machine,
  execution: Execution,
  limits: Limits,
): Promise<ExecResult> {
  const { era, timeoutSeconds, caller } = limits
  let killed: Failure | undefined
  const kill = (reason: Failure, milliseconds?: number) => {
    if (killed !== undefined) return
    killed = reason
    limits.onKill?.()
    void killCommand(machine, execution, milliseconds)
  }
  const timer =
    timeoutSeconds === undefined
      ? undefined
      : setTimeout(() => {
          kill(timedOut(timeoutSeconds))
        }, timeoutSeconds * 1000)
  const leave = () => {
    kill(abandoned(), unhurriedKillMilliseconds)
  }
  caller?.addEventListener("abort", leave, { once: true })
  if (caller?.aborted === true) leave()
  try {
    const result = await guestWork(machine, era, execution.result, () => {
      execution.cancel()
    })
    if (killed === undefined) return result
  } catch (error) {
    // The killing of a guest that is stuck is no accident.
    if (era.aborted || killed === undefined) throw failureOf(error)
  } finally {
    clearTimeout(timer)
    caller?.removeEventListener("abort", leave)
  }
  throw killed
}

/** Ends a command with everything that it started, as `endRequest` does. */
export function killCommand(machine: Machine, execution: Execution, milliseconds?: number): Promise<void> {
  const cancel = () => {
    execution.cancel()
  }
  return endRequest(machine, { done: execution.result, cancel }, milliseconds)
}

/** The exit code as a shell would tell it: 128 and the number of the signal that ended the command. */
export function exitCodeOf(result: ExecResult): number {
  if (result.exitCode !== null) return result.exitCode
  const number = Object.entries(constants.signals).find(([name]) => name === result.signal)?.[1]
  return 128 + (number ?? 0)
}

/** The failure of a command that nobody waited for any more. */
export function abandoned(): Failure {
  return new Failure("aborted", "The caller went away before the command had ended, so it was killed.")
}

function timedOut(seconds: number): Failure {
  return new Failure("timeout", `The command did not end within ${seconds} s and was killed.`)
}

function failureOf(error: unknown): Failure {
  if (error instanceof Failure) return error
  if (error instanceof AgentError) return refused(error)
  return new Failure(
    "unavailable",
    "The sandbox's machine ended while the command ran. It starts again from its disk at the next use.",
  )
}

/** The fields of a request that the guest alone can judge, by the code with which it refuses them. */
const judgedByGuest: Partial<Record<string, string>> = { bad_cwd: "cwd", bad_user: "user" }

/** Why the guest did not begin with a command. */
function refused({ code, message }: AgentError): Failure {
  const field = judgedByGuest[code]
  if (field !== undefined) return new Failure("invalid_request", `Invalid request: ${message}`, { field })
  const reason =
    code === "bad_request" ? `the sandbox's image is older than this server (${message})` : message
  return new Failure("unavailable", `The command could not be started: ${reason}`)
}
