import { z } from "zod"
import { defaultTimeoutSeconds, maxTimeoutSeconds } from "../limits.js"
import { requestBody, sandboxName } from "./rules.js"

/** The longest life of a signed link, in seconds: 30 days. */
const maxLinkSeconds = 30 * 24 * 60 * 60

const portRule = '"port" must be a whole number from 1 to 65535'
const publicRule = '"public" must be true or false'
const expiresRule = `"expires" must be a number of seconds above 0 and at most ${maxLinkSeconds}`
const timeoutRule = `"timeout" must be a number of seconds above 0 and at most ${maxTimeoutSeconds}`

export const portParams = z.object({
  name: sandboxName,
  port: z
    .string({ error: portRule })
    .regex(/^[1-9][0-9]{0,4}$/, { error: portRule })
    .transform(Number)
    .refine((port) => port <= 65_535, { error: portRule })
    .describe("The TCP port inside the sandbox."),
})

export const portRequest = requestBody({
  public: z
    .boolean({ error: publicRule })
    .describe("Whether everybody who reaches this server reaches the port, without a key or a link."),
}).describe("Who may reach the port.")

export const port = z
  .object({
    port: z.int().min(1).max(65_535).describe("The TCP port inside the sandbox."),
    public: z.boolean().describe("Whether everybody may reach it."),
  })
  .describe("A port of a sandbox.")

export const portList = z
  .object({ ports: z.array(port).describe("The public ports, in ascending order.") })
  .describe("The ports of a sandbox that are not reached by its owner's key and by signed links alone.")

export const linkRequest = requestBody({
  expires: z
    .number({ error: expiresRule })
    .gt(0, { error: expiresRule })
    .max(maxLinkSeconds, { error: expiresRule })
    .describe("Seconds for which the link is good, at most 2592000: 30 days."),
}).describe("The link to make.")

export const portLink = z
  .object({
    token: z
      .string()
      .describe(
        "Lets its bearer in, as the parameter `opensandbox_token` of any URL of the port. A browser that follows such " +
          "a link gets it as a cookie for the pages behind it.",
      ),
    expires_at: z.iso.datetime().describe("Until when, ISO 8601 in UTC."),
  })
  .describe("What makes a link to a port.")

export const waitForPortRequest = requestBody({
  timeout: z
    .number({ error: timeoutRule })
    .gt(0, { error: timeoutRule })
    .max(maxTimeoutSeconds, { error: timeoutRule })
    .default(defaultTimeoutSeconds)
    .describe("Seconds until the wait ends with `timeout`. Default 30, at most 86400."),
})
  .prefault({})
  .describe("How long to wait.")
