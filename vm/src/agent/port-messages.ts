import { z } from "zod"

const port = z.int().min(1).max(65535)
const host = z.string().regex(/^[A-Za-z0-9.:_-]{1,255}$/)
const number = z.int().min(1).max(0xffffffff)

export const connect = z.strictObject({ op: z.literal("connect"), host: host.optional(), port })

export const listen = z.strictObject({
  op: z.literal("listen"),
  host: host.optional(),
  port: z.int().min(0).max(65535),
})

export const accept = z.strictObject({ op: z.literal("accept"), listener: number, connection: number })

export const awaitPort = z.strictObject({
  op: z.literal("awaitPort"),
  port,
  timeoutMs: z
    .int()
    .min(0)
    .max(24 * 60 * 60 * 1000),
})

export const connected = z.strictObject({ connected: z.literal(true) })

export const outputEnded = z.strictObject({ outputEnded: z.int().min(0) })

export const listening = z.strictObject({ listener: number, port })

export const incoming = z.strictObject({
  connection: number,
  host: z.string().min(1).max(64),
  port: z.int().min(0).max(65535),
})

export const connectionDone = z.strictObject({ ok: z.literal(true) })

export const listenDone = z.strictObject({ ok: z.literal(true) })

export const awaitPortDone = z.strictObject({ ok: z.literal(true) })
