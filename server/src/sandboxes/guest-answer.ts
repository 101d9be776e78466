import { AgentError, DeadlineError, within, type Machine } from "@opensandbox/vm"
import { Failure } from "../failure.js"
import { diskFull } from "../storage/storage-failure.js"

/** How long the guest may take to confirm that a request has ended, before its machine is ended. */
const endMilliseconds = 2_000

/** A request that the guest works on. */
interface GuestRequest<Done> {
  readonly done: Promise<Done>
  cancel(): void
}

/**
 * Waits for work in the guest, or for whatever makes waiting useless.
 *
 * @param era Aborts with a `Failure` as its reason when the sandbox goes another way.
 * @param cancel Asks the guest to end the work.
 * @throws Failure: `interrupted`, `disk_full` when the machine came to stand still; what the work fails with.
 */
export async function guestWork<T>(
  machine: Machine,
  era: AbortSignal,
  work: Promise<T>,
  cancel: () => void,
): Promise<T> {
  const undo: (() => void)[] = []
  const broken = new Promise<never>((_, reject) => {
    const interrupt = () => {
      reject(era.reason as Failure)
    }
    const stall = () => {
      cancel()
      reject(diskFull())
    }
    era.addEventListener("abort", interrupt, { once: true })
    undo.push(() => {
      era.removeEventListener("abort", interrupt)
    })
    undo.push(machine.onStall(stall))
    if (era.aborted) interrupt()
    else if (machine.stalled) stall()
  })
  try {
    return await Promise.race([work, broken])
  } catch (error) {
    // A restore hangs up on the old machine: that is no accident.
    throw era.aborted ? era.reason : error
  } finally {
    for (const step of undo) step()
    work.catch(() => undefined)
  }
}

/** Waits for the answer to a request, and ends the request when it does not come in time. @throws DeadlineError. */
export async function guestAnswer<Done>(
  machine: Machine,
  request: GuestRequest<Done>,
  milliseconds: number,
): Promise<Done> {
  try {
    return await within(milliseconds, "the guest's answer", request.done)
  } catch (error) {
    if (error instanceof DeadlineError) await endRequest(machine, request)
    throw error
  }
}

/**
 * Ends a request. A guest that does not confirm this in time is ended itself, so that nothing goes on behind anybody's
 * back; it starts again from its disk. One that stands still cannot confirm anything before it goes on.
 */
export async function endRequest(
  machine: Machine,
  request: GuestRequest<unknown>,
  milliseconds = endMilliseconds,
): Promise<void> {
  request.cancel()
  const ended = request.done.then(
    () => undefined,
    () => undefined,
  )
  try {
    await within(milliseconds, "the end of the request", ended)
  } catch {
    if (!machine.stalled) await machine.kill().catch(() => undefined)
  }
}

/** What a caller may know of an error that work in the guest came to. */
export function guestFailure(error: unknown): Failure {
  if (error instanceof Failure) return error
  if (error instanceof DeadlineError) return new Failure("timeout", "The sandbox did not answer in time.")
  if (error instanceof AgentError) {
    if (error.code === "bad_request") {
      return new Failure("unavailable", "The sandbox's image is older than this server and cannot do this.")
    }
    return new Failure("unavailable", `The sandbox could not do this: ${error.message}`)
  }
  return new Failure(
    "unavailable",
    "The sandbox's machine ended meanwhile. It starts again from its disk at the next use.",
  )
}
