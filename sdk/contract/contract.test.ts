import fc from "fast-check"
import { expect, expectTypeOf, test } from "vitest"
import type { z } from "zod"
import {
  errorCodes,
  invalidRequest,
  openApiDocument,
  routes,
  type RouteBody,
  type RouteParams,
  type RouteQuery,
} from "./index.js"

function refusalOf(schema: z.ZodType, value: unknown) {
  const result = schema.safeParse(value)
  return result.success ? undefined : invalidRequest(result.error)
}

test.each(["a", "a1", "my-sandbox", "0", "x".repeat(63)])("%j is a sandbox name", (name) => {
  expect(routes.createVm.body.parse({ name })).toMatchObject({ name })
})

test.each(["", "-a", "a-", "A", "a_b", "a.b", "ä", "a b", "a\n", "x".repeat(64), 5, null, undefined, ["a"]])(
  "%j is no sandbox name, in a body or a path",
  (name) => {
    expect(refusalOf(routes.createVm.body, { name })).toMatchObject({ field: "name" })
    expect(refusalOf(routes.getVm.params, { name })).toMatchObject({ field: "name" })
  },
)

test.each(["", " \n\t", "a\0b", "x".repeat(256 * 1024 + 1), "ä".repeat(128 * 1024 + 1), 5, null, undefined])(
  "a bad command is refused by the field's name (case %#)",
  (command) => {
    expect(refusalOf(routes.runCommand.body, { command })).toMatchObject({ field: "command" })
  },
)

test("a command of exactly 256 KiB is accepted", () => {
  expect(refusalOf(routes.runCommand.body, { command: "x".repeat(256 * 1024) })).toBeUndefined()
})

test.each([0, -1, 86_401, "30", null, Number.NaN, Number.POSITIVE_INFINITY, true])(
  "the timeout %j is refused by the field's name",
  (timeout) => {
    expect(refusalOf(routes.runCommand.body, { command: "ls", timeout })).toEqual({
      field: "timeout",
      error: 'Invalid request: "timeout" must be a number of seconds above 0 and at most 86400',
    })
  },
)

test("the timeout is 30 seconds when left out, and may be a fraction", () => {
  expect(routes.runCommand.body.parse({ command: "ls" })).toMatchObject({ command: "ls", timeout: 30 })
  expect(routes.runCommand.body.parse({ command: "ls", timeout: 0.5 }).timeout).toBe(0.5)
})

test.each([
  ["cwd", ["/", "src", "..", "ü"], ["", "a\0b", "x".repeat(4097), 5, null]],
  ["user", ["root", "1000", "ann b"], ["", "a:b", "a\nb", "a\0b", "x".repeat(257), 1000, null]],
  [
    "env",
    [{}, { A: "", "b c": "=" }, { A: "x".repeat(131_069) }],
    [[], "A=1", null, { A: "x".repeat(131_070) }, { A: "x".repeat(70_000), B: "ä".repeat(40_000) }],
  ],
  ["stdin", ["", "a\0b\u{1f600}", { base64: "" }, { base64: "AP8=" }], [5, null, {}]],
  ["encoding", ["utf8", "base64"], ["buffer", "", null]],
  ["stream", [true, false], ["yes", 1, null]],
])("the %s of a run is checked", (field, good, bad) => {
  const parse = (value: unknown) => refusalOf(routes.runCommand.body, { command: "ls", [field]: value })
  for (const value of good) expect(parse(value), JSON.stringify(value)).toBeUndefined()
  for (const value of bad) expect(parse(value), JSON.stringify(value)).toMatchObject({ field })
})

test("a variable that no environment can hold is named, and so is what is no base64", () => {
  const parse = (fields: object) => refusalOf(routes.runCommand.body, { command: "ls", ...fields })
  for (const env of [{ A: 1 }, { A: "\0" }]) expect(parse({ env })).toMatchObject({ field: "env.A" })
  for (const name of ["", "A=", "\0"]) {
    expect(parse({ env: { [name]: "" } })).toMatchObject({ field: `env.${name}` })
  }
  for (const base64 of ["A", "-_=="]) {
    expect(parse({ stdin: { base64 } })).toMatchObject({ field: "stdin.base64" })
  }
})

test("what a command reads is measured in bytes", () => {
  const mebibyte = 1024 * 1024
  const parse = (stdin: unknown) => refusalOf(routes.runCommand.body, { command: "cat", stdin })
  const bytes = (count: number) => ({ base64: btoa("x".repeat(count)) })
  for (const stdin of ["x".repeat(mebibyte), "ä".repeat(mebibyte / 2), bytes(mebibyte)]) {
    expect(parse(stdin)).toBeUndefined()
  }
  for (const stdin of ["x".repeat(mebibyte + 1), "ä".repeat(mebibyte / 2 + 1), bytes(mebibyte + 1)]) {
    expect(parse(stdin)).toMatchObject({ field: "stdin" })
  }
})

test("an unknown field is named, with what is allowed", () => {
  expect(refusalOf(routes.runCommand.body, { command: "ls", timeuot: 5 })).toEqual({
    field: "timeuot",
    error:
      'Invalid request: unknown field "timeuot"; allowed: "command", "timeout", "snapshot", "cwd", "env", "user", ' +
      '"stdin", "encoding", "stream"',
  })
})

test.each([[[]], ["ls"], [null], [5]])("a body that is %j is refused as body", (body) => {
  expect(refusalOf(routes.runCommand.body, body)).toMatchObject({ field: "body" })
})

test("whatever is sent, a refusal has a field and a text", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (body) => {
      const refusal = refusalOf(routes.runCommand.body, body)
      if (refusal === undefined) return
      expect(refusal.field).not.toBe("")
      expect(refusal.error).toMatch(/^Invalid request: ./)
    }),
  )
})

test("a snapshot name has 1 to 128 characters", () => {
  const parse = (snapshot: string) => refusalOf(routes.restoreSnapshot.params, { name: "a", snapshot })
  expect(parse("initial")).toBeUndefined()
  expect(parse("x".repeat(128))).toBeUndefined()
  expect(parse("")).toMatchObject({ field: "snapshot" })
  expect(parse("x".repeat(129))).toMatchObject({ field: "snapshot" })
})

test.each(["v1", "1.0-rc_2", "A", "cmd", "cmd_", "cmd_1a", "snap-1", "x".repeat(64)])(
  "%j is a label",
  (label) => {
    expect(routes.takeSnapshot.body.parse({ label })).toEqual({ label })
  },
)

test.each([
  "",
  "-a",
  ".a",
  "_a",
  "a b",
  "a/b",
  "ä",
  "a\n",
  "x".repeat(65),
  "initial",
  "cmd_1",
  "file_007",
  5,
  null,
])("%j is no label", (label) => {
  expect(refusalOf(routes.takeSnapshot.body, { label })).toMatchObject({ field: "label" })
})

test("a body may be left out where all of its fields may", () => {
  expect(routes.takeSnapshot.body.parse(undefined)).toEqual({})
  expect(routes.restoreSnapshot.body.parse(undefined)).toEqual({ keep: false })
  expect(refusalOf(routes.createVm.body, undefined)).toMatchObject({ field: "body" })
  expect(refusalOf(routes.setRetention.body, undefined)).toMatchObject({ field: "body" })
})

test("the names of forks are 1 to 100, all different", () => {
  const parse = (names: unknown) => refusalOf(routes.forkVms.body, { names })
  const many = Array.from({ length: 101 }, (_, index) => `fork-${index}`)
  expect(parse(many.slice(1))).toBeUndefined()
  for (const names of [[], many, ["a", "a"], "a", null])
    expect(parse(names)).toMatchObject({ field: "names" })
})

test.each(["keep_last", "keep_days", "max_bytes", "quota_bytes"])(
  "%s is a limit, null, or left out",
  (limit) => {
    const parse = (value: unknown) => refusalOf(routes.setRetention.body, { [limit]: value })
    for (const value of [1, 2 ** 40, null, undefined]) expect(parse(value)).toBeUndefined()
    for (const value of [0, -1, "1", Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(parse(value)).toMatchObject({ field: limit })
    }
  },
)

test("an export carries the image unless the query says otherwise", () => {
  expect(routes.exportVm.query.parse({})).toEqual({ image: true })
  expect(routes.exportVm.query.parse({ image: "false", snapshot: "v1" })).toEqual({
    image: false,
    snapshot: "v1",
  })
})

test("an unknown parameter is named, with what is allowed", () => {
  expect(refusalOf(routes.diff.query, { from: "a", too: "b" })).toEqual({
    field: "too",
    error: 'Invalid request: unknown parameter "too"; allowed: "from", "to", "patch"',
  })
})

test("a path is measured in bytes", () => {
  const parse = (path: string) => refusalOf(routes.readSnapshotFile.query, { path })
  expect(parse("ä".repeat(2048))).toBeUndefined()
  expect(parse("ä".repeat(2049))).toMatchObject({ field: "path" })
})

test("a key's number is parsed from the path", () => {
  expect(routes.revokeKey.params.parse({ id: "12" })).toEqual({ id: 12 })
  for (const id of ["0", "-1", "1e3", " 1", "abc", ""]) {
    expect(refusalOf(routes.revokeKey.params, { id })).toMatchObject({ field: "id" })
  }
})

test("the document describes every route and refers only to schemas that it has", () => {
  const document = openApiDocument()
  const operations = Object.values(document.paths).flatMap((path) => Object.keys(path))
  expect(operations).toHaveLength(Object.keys(routes).length)
  const schemas = new Set(Object.keys(document.components["schemas"] as object))
  for (const [, name] of JSON.stringify(document).matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
    expect(schemas).toContain(name)
  }
})

test("the document tells parameters, optional bodies and content that is no JSON", () => {
  const { paths } = openApiDocument()
  expect(paths["/vms/{name}/diff"]).toMatchObject({
    get: {
      parameters: [
        { name: "name", in: "path", required: true },
        { name: "from", in: "query", required: true },
        { name: "to", in: "query", required: false },
        { name: "patch", in: "query", required: false },
      ],
    },
  })
  expect(paths["/vms/{name}/snapshots"]).toMatchObject({ post: { requestBody: { required: false } } })
  const binary = { schema: { type: "string", format: "binary" } }
  expect(paths["/vms/{name}/import"]).toMatchObject({
    post: { requestBody: { required: true, content: { "application/zstd": binary } } },
  })
  expect(paths["/vms/{name}/export"]).toMatchObject({
    get: { responses: { "200": { content: { "application/zstd": binary } } } },
  })
})

test("every code has an error status", () => {
  for (const { status } of Object.values(errorCodes)) expect(status).toBeGreaterThanOrEqual(400)
})

test("handlers get what validation made of a request", () => {
  expectTypeOf<RouteParams<"revokeKey">>().toEqualTypeOf<{ id: number }>()
  expectTypeOf<RouteParams<"listVms">>().toEqualTypeOf<undefined>()
  expectTypeOf<RouteQuery<"exportVm">["image"]>().toEqualTypeOf<boolean>()
  expectTypeOf<RouteBody<"importVm">>().toEqualTypeOf<ReadableStream<Uint8Array>>()
  expectTypeOf<RouteBody<"runCommand">>().toEqualTypeOf<{
    command: string
    timeout: number
    snapshot: boolean
    cwd?: string | undefined
    env?: Record<string, string> | undefined
    user?: string | undefined
    stdin?: string | { base64: string } | undefined
    encoding: "utf8" | "base64"
    stream: boolean
  }>()
})
