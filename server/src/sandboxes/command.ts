import { constants } from "node:os"
import { AgentError, within, type Execution, type ExecResult, type Machine } from "@opensandbox/vm"
import { Failure } from "../failure.js"
import { diskFull } from "../storage/storage-failure.js"

/** How long the guest may take to confirm that everything of a command is dead, before its machine is ended. */
const killMilliseconds = 2_000

/** The same where nobody waits for the answer: a guest that is busy need not lose its machine then. */
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
  const undo: (() => void)[] = []
  let killed: Failure | undefined
  const kill = (reason: Failure, milliseconds: number) => {
    if (killed !== undefined) return
    killed = reason
    limits.onKill?.()
    void killCommand(machine, execution, milliseconds)
  }
  const broken = new Promise<never>((_, reject) => {
    const interrupt = () => {
      reject(era.reason as Failure)
    }
    era.addEventListener("abort", interrupt, { once: true })
    undo.push(() => {
      era.removeEventListener("abort", interrupt)
    })
    const stall = () => {
      execution.cancel()
      reject(diskFull())
    }
    undo.push(machine.onStall(stall))
    if (timeoutSeconds !== undefined) {
      const timer = setTimeout(() => {
        kill(timedOut(timeoutSeconds), killMilliseconds)
      }, timeoutSeconds * 1000)
      undo.push(() => {
        clearTimeout(timer)
      })
    }
    const leave = () => {
      kill(abandoned(), unhurriedKillMilliseconds)
    }
    caller?.addEventListener("abort", leave, { once: true })
    undo.push(() => caller?.removeEventListener("abort", leave))
    if (era.aborted) interrupt()
    else if (machine.stalled) stall()
    else if (caller?.aborted === true) leave()
  })
  try {
    const result = await Promise.race([execution.result, broken])
    if (killed === undefined) return result
  } catch (error) {
    // A restore hangs up on the old machine, and so does the killing of a guest that is stuck: these are no accidents.
    if (era.aborted) throw era.reason
    if (killed === undefined) throw failureOf(error)
  } finally {
    for (const step of undo) step()
  }
  throw killed
}

/**
 * Ends a command with everything that it started. A guest that does not confirm this in time is ended itself, so that
 * nothing of the command goes on; it starts again from its disk.
 */
export async function killCommand(
  machine: Machine,
  execution: Execution,
  milliseconds = killMilliseconds,
): Promise<void> {
  execution.cancel()
  try {
    await within(milliseconds, "the end of the command", execution.result)
  } catch (error) {
    // The guest has said that the command is over, or that it never began.
    if (error instanceof AgentError) return
    // One that cannot be ended either is told to whoever uses the sandbox next.
    await machine.kill().catch(() => undefined)
  }
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
