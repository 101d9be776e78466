import { InvalidArgumentError, Option } from "commander"
import { parseByteSize } from "./byte-size.js"
import { parseCount } from "./options.js"

/** What bounds the snapshots of a sandbox, or `none` for no limit. */
export type Limit = number | "none"

export const keepLastOption = () =>
  new Option("--keep-last <number>", "keep this many of the newest snapshots").argParser(orNone(parseCount))

export const keepDaysOption = () =>
  new Option("--keep-days <days>", "keep snapshots for so long").argParser(orNone(parseDays))

export const maxSizeOption = () =>
  new Option("--max-size <size>", "delete the oldest snapshots when all take more than this").argParser(
    orNone(parseByteSize),
  )

export const quotaOption = () =>
  new Option("--quota <size>", "run no further command when the sandbox takes more disk than this").argParser(
    orNone(parseByteSize),
  )

/** How the options read, for the end of a command's help. */
export const retentionHelp =
  "\nThe limits delete no snapshot that has a label, and never initial. A size is in powers of ten, as in 500M or 1.5G;\n" +
  '"none" stands for no limit.\n'

/** The limit as the API has it, where null is none. */
export const limitOrNull = (limit: Limit): number | null => (limit === "none" ? null : limit)

function orNone(parse: (text: string) => number): (text: string) => Limit {
  return (text) => (text === "none" ? text : parse(text))
}

function parseDays(text: string): number {
  const days = /^\d{1,6}(\.\d{1,6})?$/.test(text) ? Number(text) : 0
  if (days <= 0) throw new InvalidArgumentError("It is a number of days above 0.")
  return days
}
