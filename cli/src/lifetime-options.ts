import { Option } from "commander"
import { parseDuration } from "./duration.js"

/** A number of seconds, or `none` for no limit of time. */
export type TimeLimit = number | "none"

export const idleTimeoutOption = () =>
  new Option("--idle-timeout <time>", "pause it when nobody used it for so long").argParser(parseTimeLimit)

export const ttlOption = () =>
  new Option("--ttl <time>", "destroy it after so long, with all its snapshots").argParser(parseTimeLimit)

/** How the options read, for the end of a command's help. */
export const lifetimeHelp =
  '\nA time is in seconds, or as in 15m, 8h or 7d; "none" stands for never. Commands, terminals, SSH sessions and connections\n' +
  "to ports keep a sandbox from being paused; processes in the background do not.\n"

/** The time as the API has it, where null is never. */
export const secondsOrNull = (limit: TimeLimit): number | null => (limit === "none" ? null : limit)

/** The options as the API has them. */
export function lifetimeRequest({ idleTimeout, ttl }: { idleTimeout?: TimeLimit; ttl?: TimeLimit }) {
  return {
    ...(idleTimeout !== undefined && { idle_timeout: secondsOrNull(idleTimeout) }),
    ...(ttl !== undefined && { ttl: secondsOrNull(ttl) }),
  }
}

function parseTimeLimit(text: string): TimeLimit {
  return text === "none" ? text : parseDuration(text)
}
