import { FILE_HEADERS_ONLY, formatPatch, structuredPatch, type StructuredPatchHunk } from "diff"
import { countLines, sharedEnds, type SharedEnds } from "./shared-ends.js"

/** Lines around each change, as in git. */
const context = 3

/** Beyond this many lines, or milliseconds, the server's other work would suffer from the search for the shortest patch. */
const maxLines = 50_000
const searchMilliseconds = 100

const newline = 0x0a

/** A file's text; undefined when it is no text, but has a zero byte or is no UTF-8. */
export function textOf(bytes: Uint8Array): string | undefined {
  if (bytes.includes(0)) return undefined
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

/**
 * The unified diff of a text file, as git would write it; empty when nothing differs. Always one that leads from the one
 * text to the other, though not the shortest one when that is too hard to find.
 *
 * @param path Absolute.
 * @param before null when the file is not there; so is `after`.
 */
export function unifiedPatch(path: string, before: string | null, after: string | null): string {
  const [old, young] = [before ?? "", after ?? ""]
  if (old === young) return ""
  const ends = sharedEnds(old, young, context)
  const hunks = shortest(ends) ?? [replacement(ends)]
  const patch = {
    oldFileName: before === null ? "/dev/null" : `a${path}`,
    newFileName: after === null ? "/dev/null" : `b${path}`,
    oldHeader: undefined,
    newHeader: undefined,
    hunks: hunks.map((hunk) => ({
      ...hunk,
      oldStart: hunk.oldStart + ends.skipped,
      newStart: hunk.newStart + ends.skipped,
    })),
  }
  return formatPatch(patch, FILE_HEADERS_ONLY)
}

/** The hunks of the shortest patch, their lines counted from `lead`; undefined when it is too hard to find. */
function shortest({ lead, middles: [old, young], trail }: SharedEnds): StructuredPatchHunk[] | undefined {
  if (old === "" || young === "" || countLines(old) + countLines(young) > maxLines) return undefined
  const options = { context, timeout: searchMilliseconds }
  return structuredPatch("", "", lead + old + trail, lead + young + trail, undefined, undefined, options)
    ?.hunks
}

/** A hunk that takes out all that lies between the shared ends and puts in the other: the shortest one if either is empty. */
function replacement({ lead, middles: [old, young], trail }: SharedEnds): StructuredPatchHunk {
  const around = countLines(lead) + countLines(trail)
  return {
    oldStart: 1,
    oldLines: countLines(old) + around,
    newStart: 1,
    newLines: countLines(young) + around,
    lines: [marked(" ", lead), marked("-", old), marked("+", young), marked(" ", trail)].flat(),
  }
}

/** The lines of a text as a hunk has them, in one piece: taking millions of them apart would take too long. */
function marked(mark: string, text: string): string[] {
  if (text === "") return []
  const bytes = Buffer.from(text)
  const sign = mark.charCodeAt(0)
  const lines = Buffer.alloc(bytes.length + countLines(text))
  let [length, atStart] = [0, true]
  for (const byte of bytes) {
    if (atStart) lines[length++] = sign
    lines[length++] = byte
    atStart = byte === newline
  }
  return atStart
    ? [lines.toString("utf8", 0, length - 1)]
    : [lines.toString(), "\\ No newline at end of file"]
}
