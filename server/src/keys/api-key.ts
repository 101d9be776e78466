import { createHash, randomBytes } from "node:crypto"

/** A new key: `ws_` and 256 random bits in hexadecimal. */
export function generateApiKey(): string {
  return `ws_${randomBytes(32).toString("hex")}`
}

/** The SHA-256 under which a key is stored. Keys are long and random, so a slow hash would protect nothing more. */
export function hashApiKey(key: string): Buffer {
  return createHash("sha256").update(key).digest()
}

/** Enough of a key for people to tell it from others: never more than a quarter, as some choose short ones. */
export function apiKeyPrefix(key: string): string {
  return key.slice(0, Math.min(11, Math.floor(key.length / 4)))
}
