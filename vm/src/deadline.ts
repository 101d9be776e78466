import { setTimeout as sleep } from "node:timers/promises"

/** A wait ended because its time was over. The message says what was waited for. */
export class DeadlineError extends Error {
  override name = "DeadlineError"
}

/**
 * Waits for `promise`, at most `milliseconds`.
 *
 * @param what Completes the sentence "… did not happen within N ms".
 * @throws DeadlineError when the time is over. The promise itself goes on, and its late failure is not reported.
 */
export async function within<T>(milliseconds: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new DeadlineError(`${what} did not happen within ${milliseconds} ms`))
    }, milliseconds)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/**
 * Asks `probe` again and again until it gives something.
 *
 * @param everyMilliseconds The pause between two questions.
 * @throws DeadlineError when it gave nothing in time.
 */
export async function poll<T>(
  milliseconds: number,
  what: string,
  probe: () => Promise<T | undefined> | T | undefined,
  everyMilliseconds = 2,
): Promise<T> {
  const end = performance.now() + milliseconds
  for (;;) {
    const answer = await probe()
    if (answer !== undefined) return answer
    if (performance.now() >= end) throw new DeadlineError(`${what} did not happen within ${milliseconds} ms`)
    await sleep(everyMilliseconds)
  }
}
