import { z } from "zod"

/** What QEMU sends over its monitor (QMP): the answer to a command, an event, or the greeting. */
export const qmpMessage = z.union([
  z
    .object({ id: z.number(), return: z.unknown() })
    .transform((message) => ({ kind: "return", ...message }) as const),
  z
    .object({ id: z.number().optional(), error: z.object({ class: z.string(), desc: z.string() }) })
    .transform((message) => ({ kind: "error", ...message }) as const),
  z
    .object({ event: z.string(), data: z.record(z.string(), z.unknown()).default({}) })
    .transform((message) => ({ kind: "event", ...message }) as const),
  z.object({ QMP: z.unknown() }).transform(() => ({ kind: "greeting" }) as const),
])

/** Something that the machine tells by itself, such as `STOP` or `BLOCK_IO_ERROR`. */
export interface QmpEvent {
  event: string
  data: Record<string, unknown>
}
