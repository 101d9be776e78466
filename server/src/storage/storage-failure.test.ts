import { expect, test } from "vitest"
import { Failure } from "../failure.js"
import { asFailure } from "./storage-failure.js"

test.each([
  Object.assign(new Error("write failed"), { code: "ENOSPC" }),
  Object.assign(new Error("database or disk is full"), { code: "SQLITE_FULL" }),
  new Error("Command failed", { cause: new Error("qemu-img: x.qcow2: No space left on device") }),
])("finds a full disk in %s", (error) => {
  expect(asFailure(error).code).toBe("disk_full")
})

test("shows a caller nothing of other errors, and passes failures on", () => {
  expect(asFailure(new Error("/secret/path"))).toMatchObject({ code: "unavailable" })
  expect(asFailure(new Error("/secret/path")).message).not.toContain("secret")
  const failure = new Failure("not_found", "no")
  expect(asFailure(failure)).toBe(failure)
})

test("looks at a ring of causes only so long", () => {
  const error = new Error("a")
  error.cause = error
  expect(asFailure(error).code).toBe("unavailable")
})
