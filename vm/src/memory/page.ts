import { hash } from "node:crypto"

export const pageBytes = 4096

/** 128 bits of SHA-256: as many as it takes for two pages that differ never to pass for the same. */
export const hashBytes = 16

export function hashPage(page: Uint8Array): Uint8Array {
  return hash("sha256", page, "buffer").subarray(0, hashBytes)
}

/** The hash of a page that holds only zeros, for which nothing is stored. */
export const zeroHash = hashPage(new Uint8Array(pageBytes))
