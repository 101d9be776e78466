import { z } from "zod"
import { maxLifetimeSeconds } from "../limits.js"
import { requestBody } from "./rules.js"

const secondsRule = (field: string) =>
  `"${field}" must be a whole number of seconds from 1 to ${maxLifetimeSeconds}, or null`

const seconds = (field: string) =>
  z
    .int({ error: secondsRule(field) })
    .min(1, { error: secondsRule(field) })
    .max(maxLifetimeSeconds, { error: secondsRule(field) })
    .nullable()
    .optional()

/** What a request says of when a sandbox is paused and destroyed by itself. */
export const lifetimeFields = {
  idle_timeout: seconds("idle_timeout").describe(
    "Seconds without activity after which the sandbox is paused; null for never. Activity is a command, a terminal, an SSH " +
      "session, a transfer or watch of files and a connection to a port, from its begin to its end. Processes in the " +
      "background are none, nor is who follows their output.",
  ),
  ttl: seconds("ttl").describe(
    "Seconds from now after which the sandbox is destroyed, whatever it does then, with all its snapshots; null for never.",
  ),
}

export const lifetimeRequest = requestBody(lifetimeFields).describe(
  "When the sandbox is paused and destroyed by itself. What is left out stays as it is.",
)
