import { constants } from "node:os"
import { AgentError, within, type Execution, type ExecResult, type Machine } from "@opensandbox/vm"
import { Failure } from "../failure.js"
import { diskFull } from "../storage/storage-failure.js"

/** How long the guest may take to confirm that everything of a command is dead, before its machine is ended. */
const killMilliseconds = 2_000

/** What ends the wait for a command before the command has ended. */
interface Limits {
  /** Aborts with a `Failure` as its reason when the sandbox goes another way. */
  readonly era: AbortSignal
  /** How long the command may take; left out for one that may take for ever. */
  readonly timeoutSeconds?: number
}

/**
 * Waits for a command's end, or for whatever makes waiting useless. A command that is not waited for any more is killed,
 * with everything that it started.
 *
 * @throws Failure: `interrupted`, `timeout`, `unavailable` when the machine ended, `disk_full` when it came to stand still.
 */
export async function commandEnd(
  machine: Machine,
  execution: Execution,
  limits: Limits,
): Promise<ExecResult> {
  const { era, timeoutSeconds } = limits
  const undo: (() => void)[] = []
  let late: Failure | undefined
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
        late = timedOut(timeoutSeconds)
        void killCommand(machine, execution)
      }, timeoutSeconds * 1000)
      undo.push(() => {
        clearTimeout(timer)
      })
    }
    if (era.aborted) interrupt()
    else if (machine.stalled) stall()
  })
  try {
    const result = await Promise.race([execution.result, broken])
    if (late === undefined) return result
  } catch (error) {
    // A restore hangs up on the old machine, and so does the killing of a guest that is stuck: these are no accidents.
    if (era.aborted) throw era.reason
    if (late === undefined) throw failureOf(error)
  } finally {
    for (const step of undo) step()
  }
  throw late
}

/**
 * Ends a command with everything that it started. A guest that does not confirm this in time is ended itself, so that
 * nothing of the command goes on; it starts again from its disk.
 */
export async function killCommand(machine: Machine, execution: Execution): Promise<void> {
  execution.cancel()
  try {
    await within(killMilliseconds, "the end of the command", execution.result)
  } catch {
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

function timedOut(seconds: number): Failure {
  return new Failure("timeout", `The command did not end within ${seconds} s and was killed.`)
}

function failureOf(error: unknown): Failure {
  if (error instanceof Failure) return error
  if (error instanceof AgentError)
    return new Failure("unavailable", `The command could not be started: ${error.message}`)
  return new Failure(
    "unavailable",
    "The sandbox's machine ended while the command ran. It starts again from its disk at the next use.",
  )
}
