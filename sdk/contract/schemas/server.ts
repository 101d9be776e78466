import { z } from "zod"
import { errorCodes, type ErrorCode } from "../error-codes.js"

export const message = z
  .object({ message: z.string().describe("What was done, for people.") })
  .describe("Confirmation.")

export const health = z
  .object({
    status: z.literal("ok").describe("Always `ok`: a server that is not well does not answer."),
    timestamp: z.iso.datetime().describe("The server's clock, ISO 8601 in UTC."),
  })
  .describe("The server is up.")

export const openApi = z.looseObject({ openapi: z.string() }).describe("An OpenAPI 3.1 document.")

export const errorBody = z
  .object({
    error: z.string().describe("What went wrong and what to do about it, for people."),
    code: z
      .enum(Object.keys(errorCodes) as [ErrorCode, ...ErrorCode[]])
      .describe("What went wrong, for programs."),
    field: z.string().optional().describe("The request's field or parameter that breaks a rule."),
    stdout: z.string().optional().describe("What a command that did not run to its end had printed so far."),
    stderr: z.string().optional().describe("Likewise, on its standard error."),
  })
  .describe("Why a request failed.")
