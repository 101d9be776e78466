import { z } from "zod"
import { limits } from "./frame.js"

const count = z.int().min(0)
const userNumber = z.int().min(0).max(0xffffffff)
const nanoseconds = z.string().regex(/^-?[0-9]{1,20}$/)
const path = z.string().min(1).max(limits.path)
const mode = z.int().min(0).max(0o7777)
const owner = z.string().min(1).max(128)
const depth = z
  .int()
  .min(1)
  .max(limits.path / 2)

export const fileState = z.strictObject({
  type: z.enum(["f", "d", "l", "o"]),
  mode,
  uid: userNumber,
  gid: userNumber,
  size: count,
  mtimeNs: nanoseconds,
  ctimeNs: nanoseconds,
  ino: z.string().regex(/^[0-9]{1,20}$/),
  target: z.string().max(limits.path).exactOptional(),
})

export const stat = z.strictObject({ op: z.literal("stat"), path })

export const statDone = z.strictObject({ ok: z.literal(true), state: fileState })

export const list = z.strictObject({
  op: z.literal("list"),
  path,
  depth,
  limit: z.int().min(1).max(1_000_000),
})

export const listEntry = z.strictObject({ path, state: fileState })

export const listDone = z.strictObject({ ok: z.literal(true), truncated: z.boolean() })

export const readFile = z.strictObject({
  op: z.literal("readFile"),
  path,
  offset: count,
  length: count.optional(),
})

export const fileOpened = z.strictObject({ size: count })

export const writeFile = z.strictObject({
  op: z.literal("writeFile"),
  path,
  append: z.boolean(),
  mode: mode.optional(),
  owner: owner.optional(),
  sync: z.boolean(),
})

export const mkdir = z.strictObject({
  op: z.literal("mkdir"),
  path,
  mode: mode.optional(),
  owner: owner.optional(),
  sync: z.boolean(),
})

export const remove = z.strictObject({
  op: z.literal("remove"),
  path,
  recursive: z.boolean(),
  sync: z.boolean(),
})

export const rename = z.strictObject({
  op: z.literal("rename"),
  from: path,
  to: path,
  overwrite: z.boolean(),
  sync: z.boolean(),
})

export const copy = z.strictObject({
  op: z.literal("copy"),
  from: path,
  to: path,
  overwrite: z.boolean(),
  sync: z.boolean(),
})

export const setAttributes = z.strictObject({
  op: z.literal("setAttributes"),
  path,
  mode: mode.optional(),
  owner: owner.optional(),
  sync: z.boolean(),
})

export const filesChanged = z.strictObject({
  ok: z.literal(true),
  syncUs: count,
  wrote: z.boolean().optional(),
})

/** A request that looks at files. */
type FileLook = z.infer<typeof stat | typeof list | typeof readFile>

/** A request that changes files. */
export type FileChange = z.infer<
  typeof writeFile | typeof mkdir | typeof remove | typeof rename | typeof copy | typeof setAttributes
>

export type FileRequest = FileLook | FileChange

export type FilesChanged = z.infer<typeof filesChanged>
