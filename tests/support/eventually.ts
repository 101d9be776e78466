import { setTimeout } from "node:timers/promises"

const pollMs = 50

/**
 * Asks again and again until there is an answer.
 *
 * @param what What is waited for, for the message.
 * @param deadlineMs Milliseconds until it must be there.
 * @param ask Gives undefined for "not yet".
 * @throws Error when the time is up.
 */
export async function eventually<T>(
  what: string,
  deadlineMs: number,
  ask: () => T | undefined | Promise<T | undefined>,
): Promise<T> {
  const deadline = Date.now() + deadlineMs
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    if (Date.now() > deadline) throw new Error(`waited ${deadlineMs} ms for ${what}`)
    await setTimeout(pollMs)
  }
}
