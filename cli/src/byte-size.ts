import { InvalidArgumentError } from "commander"

const units = ["B", "kB", "MB", "GB", "TB"] as const

const factors: Readonly<Record<string, number>> = { "": 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12 }

/**
 * The bytes in a size as people write it: a number, and k, M, G or T for powers of ten, as in `500M` or `1.5 GB`.
 * @throws InvalidArgumentError for anything else, and for less than a byte
 */
export function parseByteSize(text: string): number {
  const [, number, unit = ""] = /^(\d{1,15}(?:\.\d{1,15})?) ?([kmgt]?)b?$/i.exec(text) ?? []
  const bytes = Math.round(Number(number) * (factors[unit.toLowerCase()] ?? Number.NaN))
  if (!(bytes >= 1 && Number.isSafeInteger(bytes))) {
    throw new InvalidArgumentError("It is a size of at least one byte, as in 500M or 1.5G (powers of ten).")
  }
  return bytes
}

/** A number of bytes in two or three digits, in powers of ten, as in `143 kB` or `1.5 GB`. */
export function showByteSize(bytes: number): string {
  let value = bytes
  let unit = 0
  // 999.5 is where rounding would show a thousand of a unit instead of one of the next.
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit += 1
  }
  const digits = unit === 0 || value >= 9.95 ? 0 : 1
  return `${value.toFixed(digits)} ${units[unit] ?? ""}`
}
