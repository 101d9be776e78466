/** Two texts taken apart into what they share at both ends, in whole lines, and what lies between. */
export interface SharedEnds {
  /** How many lines they share before `lead`. */
  readonly skipped: number
  /** The last lines that they share at the beginning. */
  readonly lead: string
  /** What is left of the first text, and of the second. */
  readonly middles: readonly [string, string]
  /** The first lines that they share at the end. */
  readonly trail: string
}

const newline = 0x0a

/**
 * Most changes of a large file are small: what comes before and after need not be looked at line by line.
 *
 * @param context How many lines `lead` and `trail` hold at most.
 */
export function sharedEnds(before: string, after: string, context: number): SharedEnds {
  const start = sharedStart(before, after)
  const end = sharedEnd(before, after, start)
  let leadStart = start
  for (let line = 0; line < context && leadStart > 0; line++) leadStart = lineStart(before, leadStart - 1)
  const trailStart = before.length - end
  let trailEnd = trailStart
  for (let line = 0; line < context && trailEnd < before.length; line++) trailEnd = lineEnd(before, trailEnd)
  return {
    skipped: countLines(before.slice(0, leadStart)),
    lead: before.slice(leadStart, start),
    middles: [before.slice(start, trailStart), after.slice(start, after.length - end)],
    trail: before.slice(trailStart, trailEnd),
  }
}

/** How many lines a text has; the last one may have no newline. */
export function countLines(text: string): number {
  let newlines = 0
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) === newline) newlines++
  return text === "" || text.endsWith("\n") ? newlines : newlines + 1
}

/** Where the first line begins that is not the same in both. */
function sharedStart(before: string, after: string): number {
  const length = Math.min(before.length, after.length)
  let at = 0
  while (at < length && before.charCodeAt(at) === after.charCodeAt(at)) at++
  return lineStart(before, at)
}

/** The length of the whole lines at the end, behind `start`, that are the same in both. */
function sharedEnd(before: string, after: string, start: number): number {
  const length = Math.min(before.length, after.length) - start
  const shift = after.length - before.length
  let at = before.length
  while (before.length - at < length && before.charCodeAt(at - 1) === after.charCodeAt(at - 1 + shift)) at--
  const beginsLine = lineStart(before, at) === at && lineStart(after, at + shift) === at + shift
  return before.length - (beginsLine ? at : lineEnd(before, at))
}

/** The beginning of the line that holds this place. */
function lineStart(text: string, at: number): number {
  return at === 0 ? 0 : text.lastIndexOf("\n", at - 1) + 1
}

/** The end of the line that holds this place, behind its newline. */
function lineEnd(text: string, at: number): number {
  const newline = text.indexOf("\n", at)
  return newline === -1 ? text.length : newline + 1
}
