import { z } from "zod"
import { maxCommandBytes, maxEnvironmentBytes } from "../limits.js"
import { guestPath } from "./rules.js"

const commandRule = '"command" must be a string that is not blank, holds no NUL and has at most 256 KiB'
const envRule =
  '"env" must be an object of strings, with names that hold no "=", nothing that holds NUL, and at most 128 KiB in all'
const userRule = '"user" must be the name or the number of a user, 1 to 256 characters'

const utf8Length = (text: string) => new TextEncoder().encode(text).length

export const shellCommand = z
  .string({ error: commandRule })
  .max(maxCommandBytes, { error: commandRule })
  .regex(/^\s*[^\s\0][^\0]*$/, { error: commandRule })
  .refine((command) => utf8Length(command) <= maxCommandBytes, { error: commandRule })
  .describe("The shell command, run by bash. At most 256 KiB of UTF-8.")

export const workingDirectory = guestPath("cwd").describe(
  "The directory that the command starts in; one that is not absolute is taken from /workspace.",
)

/** A command's environment beyond the usual one. */
export const environment = z
  .record(
    z.string().regex(/^[^=\0]+$/, { error: envRule }),
    z.string({ error: envRule }).regex(/^[^\0]*$/, { error: envRule }),
    { error: envRule },
  )
  .refine((env) => environmentLength(env) <= maxEnvironmentBytes, { error: envRule })
  .describe(
    "Variables on top of the usual environment: names without `=` and NUL, values without NUL, at most 128 KiB in all.",
  )

/** What variables take in memory, in bytes: their names, `=`, their values and NUL. */
function environmentLength(env: Record<string, string>): number {
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}\0`)
  return utf8Length(variables.join(""))
}

/** Who runs a command. */
export const userName = z
  .string({ error: userRule })
  .regex(/^[^\0\n:]{1,256}$/, { error: userRule })
  .describe(
    "Who runs the command, by name or number as the guest's /etc/passwd has it, with the user's groups and home; root " +
      "when left out. /workspace belongs to root: others can read it, and write where root lets them.",
  )
