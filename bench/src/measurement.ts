/** Values that were measured of one thing, one for each repetition. */
export interface Measurement {
  /** What was measured, in the words of the table. */
  readonly what: string
  /** `MB` and `KB` are powers of ten; `x` stands for a ratio. */
  readonly unit: "ms" | "MB" | "KB" | "MB/s" | "KB/s" | "x"
  readonly values: readonly number[]
  /** The most that the median may be, in the same unit; left out where none was set. */
  readonly target?: number
  /** The least that the median may be, likewise. */
  readonly least?: number
}

/** The distribution of a measurement's values. */
export interface Summary {
  readonly min: number
  readonly p50: number
  readonly p90: number
  readonly max: number
}

/** @throws Error when there are no values. */
export function summarize(values: readonly number[]): Summary {
  const at = (percent: number) => percentile(values, percent)
  return { min: at(0), p50: at(50), p90: at(90), max: at(100) }
}

/** By nearest rank: a value that really was measured. @throws Error when there are none. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const value = sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)]
  if (value === undefined) throw new Error("nothing was measured")
  return value
}

/** @throws Error when there are no values. */
export function median(values: readonly number[]): number {
  return percentile(values, 50)
}

/** Whether the median keeps to what was set; undefined where nothing was. */
export function holds({ values, target, least }: Measurement): boolean | undefined {
  if (target === undefined && least === undefined) return undefined
  return median(values) <= (target ?? Infinity) && median(values) >= (least ?? -Infinity)
}
