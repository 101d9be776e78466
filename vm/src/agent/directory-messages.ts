import { z } from "zod"
import { limits } from "./frame.js"

const count = z.int().min(0)
const path = z.string().min(1).max(limits.path)
const absolutePath = z.string().startsWith("/").max(limits.path)

export const pack = z.strictObject({ op: z.literal("pack"), path })

export const packDone = z.strictObject({ ok: z.literal(true) })

export const measure = z.strictObject({ op: z.literal("measure"), path })

export const measureDone = z.strictObject({ ok: z.literal(true), files: count, bytes: count })

export const unpack = z.strictObject({ op: z.literal("unpack"), path, sync: z.boolean() })

export const unpackDone = z.strictObject({
  ok: z.literal(true),
  files: count,
  bytes: count,
  syncUs: count,
  wrote: z.boolean().optional(),
})

export const watch = z.strictObject({ op: z.literal("watch"), path, recursive: z.boolean() })

export const watching = z.strictObject({ watching: z.literal(true) })

export const watchEvent = z
  .strictObject({
    type: z.enum(["create", "change", "delete", "rename", "overflow"]),
    path: absolutePath.exactOptional(),
    to: absolutePath.exactOptional(),
  })
  .refine(
    ({ type, path, to }) =>
      (path === undefined) === (type === "overflow") && (to !== undefined) === (type === "rename"),
  )

export const watchDone = z.strictObject({ ok: z.literal(true) })

/** A request about a whole directory. */
export type DirectoryRequest = z.infer<typeof pack | typeof measure | typeof unpack | typeof watch>

export type UnpackDone = z.infer<typeof unpackDone>

export type WatchDone = z.infer<typeof watchDone>
