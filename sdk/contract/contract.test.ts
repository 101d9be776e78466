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
} from "./index.js"

function refusalOf(schema: z.ZodType, value: unknown) {
  const result = schema.safeParse(value)
  return result.success ? undefined : invalidRequest(result.error)
}

test.each(["a", "a1", "my-sandbox", "0", "x".repeat(63)])("%j is a sandbox name", (name) => {
  expect(routes.createVm.body.parse({ name })).toEqual({ name })
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

test("an unknown field is named, with what is allowed", () => {
  expect(refusalOf(routes.runCommand.body, { command: "ls", timeuot: 5 })).toEqual({
    field: "timeuot",
    error: 'Invalid request: unknown field "timeuot"; allowed: "command", "timeout", "snapshot"',
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

test("every code has an error status", () => {
  for (const { status } of Object.values(errorCodes)) expect(status).toBeGreaterThanOrEqual(400)
})

test("handlers get what validation made of a request", () => {
  expectTypeOf<RouteParams<"revokeKey">>().toEqualTypeOf<{ id: number }>()
  expectTypeOf<RouteParams<"listVms">>().toEqualTypeOf<undefined>()
  expectTypeOf<RouteBody<"runCommand">>().toEqualTypeOf<{
    command: string
    timeout: number
    snapshot: boolean
  }>()
})
