/** How long something took, in milliseconds. */
export async function elapsed(action: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await action()
  return performance.now() - start
}

/**
 * The outcomes of `count` repetitions, one after the other.
 *
 * @param warmUp Repetitions before these whose outcomes are thrown away.
 * @param action Gets the number of its repetition, which is different each time.
 */
export async function repeat<T>(
  { warmUp, count }: { warmUp: number; count: number },
  action: (repetition: number) => Promise<T>,
): Promise<T[]> {
  const outcomes: T[] = []
  for (let repetition = 0; repetition < warmUp + count; repetition += 1) {
    outcomes.push(await action(repetition))
  }
  return outcomes.slice(warmUp)
}
