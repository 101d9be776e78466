import { z } from "zod"
import { environment, userName, workingDirectory } from "./command.js"
import { errorBody } from "./server.js"
import { requestBody } from "./rules.js"

const sideRule = (field: string) => `"${field}" must be a whole number from 1 to 10000`
const textRule = (field: string) => `"${field}" must be a string that is not blank and holds no NUL`
const termRule = '"term" must be 1 to 64 letters, digits and the characters + - . _'

const side = (field: string) =>
  z
    .int({ error: sideRule(field) })
    .min(1, { error: sideRule(field) })
    .max(10_000, { error: sideRule(field) })

const text = (field: string, maxLength: number) =>
  z
    .string({ error: textRule(field) })
    .max(maxLength, { error: textRule(field) })
    .regex(/^\s*[^\s\0][^\0]*$/, { error: textRule(field) })

export const terminalRequest = requestBody({
  cols: side("cols").default(80).describe("The terminal's width in characters. Default 80."),
  rows: side("rows").default(24).describe("The terminal's height in characters. Default 24."),
  term: z
    .string({ error: termRule })
    .regex(/^[A-Za-z0-9+._-]{1,64}$/, { error: termRule })
    .default("xterm-256color")
    .describe("The value of TERM. Default `xterm-256color`."),
  shell: text("shell", 4096).optional().describe("The program to talk to. Default: bash, as a login shell."),
  command: text("command", 256 * 1024)
    .optional()
    .describe("A shell command to run in the terminal; left out for an interactive shell."),
  cwd: workingDirectory.optional(),
  user: userName.optional(),
  env: environment.optional(),
})
  .prefault({})
  .describe("The terminal to open.")

export const terminalTicket = z
  .object({
    ticket: z
      .string()
      .describe("Opens the terminal, once: as the parameter `ticket` of the WebSocket's URL."),
    expires_at: z.iso.datetime().describe("Until when it does so, ISO 8601 in UTC."),
  })
  .describe(
    "Admits to one terminal. It opens as a WebSocket at `GET /vms/{name}/terminal?ticket=TICKET`, which needs no other " +
      "key. Binary messages are the terminal's bytes, both ways. Text messages are JSON: the client sends TerminalResize, " +
      "the server sends TerminalMessage.",
  )

/** What a client says over a terminal's WebSocket besides its bytes. */
export const terminalResize = z
  .object({ type: z.literal("resize"), cols: side("cols"), rows: side("rows") })
  .describe("The size of the client's window has changed.")

/** What the server says over a terminal's WebSocket besides its bytes. */
export const terminalMessage = z
  .discriminatedUnion("type", [
    z.object({ type: z.literal("opened") }).describe("The shell runs. Sent once, before anything else."),
    z
      .object({
        type: z.literal("exit"),
        exitCode: z.int().nullable().describe("The exit code; null when a signal ended the shell."),
        signal: z
          .string()
          .nullable()
          .describe("The signal that ended it, as in `KILL`; null when it exited."),
        snapshot: z.string().nullable().describe("The snapshot that was taken after it."),
      })
      .describe("The shell has ended by itself; all of its output was sent before. The last message."),
    z
      .object({ type: z.literal("failure"), ...errorBody.pick({ error: true, code: true }).shape })
      .describe("The terminal could not be opened, or was broken off. The last message."),
  ])
  .describe("What the server says besides the terminal's bytes.")

export type TerminalMessage = z.infer<typeof terminalMessage>
