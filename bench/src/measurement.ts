/** Values that were measured of one thing, one for each repetition. */
export interface Measurement {
  /** What was measured, in the words of the table. */
  readonly what: string
  /** `MB` and `KB` are powers of ten. */
  readonly unit: "ms" | "MB" | "KB"
  readonly values: readonly number[]
  /** The most that the median may be, in the same unit; left out where none was set. */
  readonly target?: number
}

/** The distribution of a measurement's values. */
export interface Summary {
  readonly min: number
  readonly p50: number
  readonly p90: number
  readonly max: number
}

/** Percentiles by nearest rank: each is a value that really was measured. */
export function summarize(values: readonly number[]): Summary {
  const sorted = values.toSorted((a, b) => a - b)
  const percentile = (percent: number) => {
    const value = sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)]
    if (value === undefined) throw new Error("nothing was measured")
    return value
  }
  return { min: percentile(0), p50: percentile(50), p90: percentile(90), max: percentile(100) }
}

/** Whether the median keeps to the target; undefined where there is none. */
export function holds({ values, target }: Measurement): boolean | undefined {
  return target === undefined ? undefined : summarize(values).p50 <= target
}
