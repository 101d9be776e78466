import { InvalidArgumentError } from "commander"

const factors: Readonly<Record<string, number>> = { "": 1, s: 1, m: 60, h: 3_600, d: 86_400 }

const longest = 31_536_000

/**
 * The seconds in a time as people write it: a number, and s, m, h or d, as in `90`, `15m` or `1.5h`.
 * @throws InvalidArgumentError for anything else, for less than a second and for more than a year
 */
export function parseDuration(text: string): number {
  const [, number, unit = ""] = /^(\d{1,9}(?:\.\d{1,9})?) ?([smhd]?)$/.exec(text) ?? []
  const seconds = Math.round(Number(number) * (factors[unit] ?? Number.NaN))
  if (!(seconds >= 1 && seconds <= longest)) {
    throw new InvalidArgumentError("It is a time from 1 second to 365 days, as in 90, 15m, 8h or 7d.")
  }
  return seconds
}

/** Whole seconds in the largest unit that they are a whole number of, as in `15 min`. */
export function showDuration(seconds: number): string {
  if (seconds % 86_400 === 0) return `${seconds / 86_400} d`
  if (seconds % 3_600 === 0) return `${seconds / 3_600} h`
  return seconds % 60 === 0 ? `${seconds / 60} min` : `${seconds} s`
}
