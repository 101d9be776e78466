import { expect } from "vitest"

// As unknown, because vitest's own types say any.
export const anyString: unknown = expect.any(String)
export const anyNumber: unknown = expect.any(Number)

/** Matches a string that matches the pattern. */
export const matching = (pattern: RegExp): unknown => expect.stringMatching(pattern)
