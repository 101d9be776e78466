import { z } from "zod"
import { commandEnd, commandFields, signalName, terminalSide } from "./command-fields.js"

const count = z.int().min(0)
const pid = z.int().min(1)
const startedMs = count.max(253402300799999)

/** With a time, a process that has the number but was started at another time is not meant. */
const reference = { pid, startedMs: startedMs.optional() }

export const start = z.strictObject({
  op: z.literal("start"),
  command: z.string().min(1),
  ...commandFields,
})

export const started = z.strictObject({ ok: z.literal(true), pid, startedMs })

export const processes = z.strictObject({ op: z.literal("processes") })

export const processesDone = z.strictObject({ ok: z.literal(true) })

export const processState = z.strictObject({
  pid,
  command: z.string().max(1024),
  running: z.boolean(),
  ...commandEnd,
  startedMs,
})

export const output = z.strictObject({
  op: z.literal("output"),
  ...reference,
  offset: count.optional(),
  stdout: z.boolean(),
  stderr: z.boolean(),
  follow: z.boolean(),
})

export const outputBegun = z.strictObject({ offset: count })

export const outputDone = z.strictObject({ ok: z.literal(true), running: z.boolean(), ...commandEnd })

export const input = z.strictObject({
  op: z.literal("input"),
  ...reference,
  /** At most 256 KiB in base64. */
  bytes: z.string().max(349528),
  end: z.boolean(),
})

export const inputDone = z.strictObject({ ok: z.literal(true), written: count })

export const signal = z.strictObject({ op: z.literal("signal"), ...reference, signal: signalName })

export const signalDone = z.strictObject({ ok: z.literal(true) })

export const resize = z.strictObject({
  op: z.literal("resize"),
  ...reference,
  cols: terminalSide,
  rows: terminalSide,
})

export const resizeDone = z.strictObject({ ok: z.literal(true) })

/** What a process is, and became of it. */
export type ProcessState = z.infer<typeof processState>
