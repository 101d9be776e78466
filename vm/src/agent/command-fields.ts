import { z } from "zod"

export const signalName = z.string().regex(/^SIG[A-Z0-9]{1,8}$/)

export const terminalSide = z.int().min(0).max(65535)

/** Where, as whom and with what a command starts. */
export const commandFields = {
  cwd: z.string().min(1).optional(),
  user: z
    .string()
    .regex(/^[^\0\n:]{1,256}$/)
    .optional(),
  env: z.record(z.string(), z.string()).optional(),
  pty: z
    .strictObject({
      cols: terminalSide,
      rows: terminalSide,
      term: z.string().regex(/^[A-Za-z0-9+._-]{1,64}$/),
    })
    .optional(),
}

/** How a command ended: with an exit code, or by a signal. */
export const commandEnd = {
  exitCode: z.int().min(0).max(255).nullable(),
  signal: signalName.nullable(),
}
