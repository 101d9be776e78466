import { InvalidArgumentError } from "commander"

/** Where a command runs, as whom, and with which variables. */
export interface PlaceOptions {
  cwd?: string
  user?: string
  env?: Record<string, string>
}

export const cwdOption = ["--cwd <directory>", "where the command starts (default: /workspace)"] as const

export const userOption = [
  "-u, --user <user>",
  "who runs the command, by name or number (default: root)",
] as const

export const envOption = [
  "-e, --env <name=value>",
  "a variable for the command; may be repeated",
  addVariable,
] as const

/** These options, without any others that were given. */
export function placeOf({ cwd, user, env }: PlaceOptions): PlaceOptions {
  return {
    ...(cwd !== undefined && { cwd }),
    ...(user !== undefined && { user }),
    ...(env !== undefined && { env }),
  }
}

function addVariable(text: string, others: Record<string, string> = {}): Record<string, string> {
  const [, name, value] = /^([^=]+)=(.*)$/s.exec(text) ?? []
  if (name === undefined || value === undefined) throw new InvalidArgumentError("It must be NAME=VALUE.")
  return { ...others, [name]: value }
}
