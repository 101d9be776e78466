import { z } from "zod"
import { commandEnd, commandFields, signalName } from "./command-fields.js"
import type { DirectoryRequest } from "./directory-messages.js"
import { fileState, type FileRequest } from "./file-messages.js"
import { limits } from "./frame.js"
import type { accept, awaitPort, connect, listen } from "./port-messages.js"
import type { input, output, processes, resize, signal, start } from "./process-messages.js"

export * from "./directory-messages.js"
export * from "./file-messages.js"
export * from "./port-messages.js"
export * from "./process-messages.js"

const count = z.int().min(0)
const hex32 = z.string().regex(/^[0-9a-f]{32}$/)
const device = z.string().regex(/^\/dev\/[a-z0-9]{1,32}$/)
const hostname = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/)
const unixTimeMs = count.max(253402300799999)
/** 32 to 512 bytes in base64. */
const entropy = z.string().min(44).max(684)
const ipv4 = z.string().regex(/^[0-9]{1,3}(\.[0-9]{1,3}){3}$/)

export const hello = z.strictObject({
  nonce: hex32,
  protocol: z.int(),
  /** Whether the machine goes on from an instant of another one, whose host is no more to be heard. */
  resumed: z.boolean().optional(),
})

export const welcome = z.strictObject({
  nonce: hex32,
  protocol: z.int(),
  agentVersion: z.string().max(64),
  ready: z.boolean(),
})

export const ping = z.strictObject({ op: z.literal("ping") })

export const setup = z.strictObject({
  op: z.literal("setup"),
  device,
  /** How large the disk is to be, where that is not what it was in the template. */
  diskBytes: count.min(1).optional(),
  hostname: hostname.optional(),
  machineId: hex32.optional(),
  unixTimeMs,
  network: z
    .strictObject({ address: ipv4, prefix: z.int().min(1).max(32), gateway: ipv4, dns: ipv4 })
    .optional(),
  entropy,
})

export const rehearse = z.strictObject({ op: z.literal("rehearse"), device })

export const freeze = z.strictObject({ op: z.literal("freeze") })

export const thaw = z.strictObject({ op: z.literal("thaw") })

export const resume = z.strictObject({
  op: z.literal("resume"),
  hostname: hostname.optional(),
  machineId: hex32.optional(),
  unixTimeMs,
  entropy,
})

export const exec = z.strictObject({
  op: z.literal("exec"),
  command: z.string().min(1).optional(),
  ...commandFields,
  stdin: z.boolean(),
  sync: z.boolean(),
})

export const signalExec = z.strictObject({
  op: z.literal("signalExec"),
  stream: z.int().min(1).max(0xffffffff),
  signal: signalName,
})

export const sync = z.strictObject({ op: z.literal("sync") })

export const wipe = z.strictObject({ op: z.literal("wipe") })

const path = z.string().min(1).max(limits.path)

export const changes = z.strictObject({ op: z.literal("changes"), limit: z.int().min(1).max(1_000_000) })

export const read = z.strictObject({ op: z.literal("read"), path, limit: count })

export const digest = z.strictObject({
  op: z.literal("digest"),
  paths: z.array(path).min(1).max(limits.digests),
})

export const pong = z.strictObject({ ok: z.literal(true), uptimeMs: count })

export const setupDone = z.strictObject({ ok: z.literal(true), mountUs: count })

export const rehearseDone = z.strictObject({ ok: z.literal(true) })

export const freezeDone = z.strictObject({ ok: z.literal(true) })

export const thawDone = z.strictObject({ ok: z.literal(true) })

export const resumeDone = z.strictObject({ ok: z.literal(true) })

export const execBegun = z.strictObject({ pid: z.int().min(1) })

export const execDone = z.strictObject({
  ok: z.literal(true),
  ...commandEnd,
  guestUs: count,
  syncUs: count,
  wrote: z.boolean().optional(),
})

export const signalExecDone = z.strictObject({ ok: z.literal(true) })

export const syncDone = z.strictObject({
  ok: z.literal(true),
  syncUs: count,
  wrote: z.boolean().optional(),
})

export const wipeDone = z.strictObject({ ok: z.literal(true) })

export const change = z.strictObject({
  path: z.string().startsWith("/").max(limits.path),
  was: fileState.nullable(),
  now: fileState.nullable(),
})

export const changesDone = z.strictObject({ ok: z.literal(true), truncated: z.boolean() })

export const readDone = z.strictObject({ ok: z.literal(true), size: count })

export const digestDone = z.strictObject({
  ok: z.literal(true),
  digests: z
    .array(
      z
        .string()
        .regex(/^[0-9a-f]{64}$/)
        .nullable(),
    )
    .max(limits.digests),
})

export const failure = z.strictObject({
  ok: z.literal(false),
  code: z.string().regex(/^[a-z_]{1,64}$/),
  message: z.string().max(1024),
})

export type Request =
  | z.infer<
      | typeof ping
      | typeof setup
      | typeof rehearse
      | typeof freeze
      | typeof thaw
      | typeof resume
      | typeof exec
      | typeof signalExec
      | typeof sync
      | typeof wipe
      | typeof changes
      | typeof read
      | typeof digest
      | typeof connect
      | typeof listen
      | typeof accept
      | typeof awaitPort
      | typeof start
      | typeof processes
      | typeof output
      | typeof input
      | typeof signal
      | typeof resize
    >
  | DirectoryRequest
  | FileRequest

/** What makes a clone a machine of its own, and where its disk is. */
export type SetupRequest = Omit<z.infer<typeof setup>, "op">

/** What makes a machine that goes on from an instant of another one a machine of its own. */
export type ResumeRequest = Omit<z.infer<typeof resume>, "op">

export type ExecDone = z.infer<typeof execDone>
