import { AgentError, DeadlineError } from "@opensandbox/vm"
import { expect, it } from "vitest"
import { Failure } from "../failure.js"
import { fileFailure } from "./file-failure.js"

it.each([
  ["not_found", "not_found", "from"],
  ["already_exists", "already_exists", "to"],
  ["not_a_file", "invalid_request", "to"],
  ["not_empty", "invalid_request", "to"],
])("%s is %s, of the path that is meant", (code, told, field) => {
  const failure = fileFailure(new AgentError(code, "secret"), "a", "b")
  expect(failure).toMatchObject({ code: told, details: { field } })
  expect(failure.message).toMatch(field === "from" ? /^"a" / : /^"b" /)
  expect(failure.message).not.toContain("secret")
  expect(fileFailure(new AgentError(code, ""), "a").details).toEqual({ field: "path" })
})

it.each<[Error, string]>([
  [new AgentError("no_space", ""), "disk_full"],
  [new AgentError("unknown_owner", ""), "invalid_request"],
  [new AgentError("io", "Input/output error"), "unavailable"],
  [new AgentError("bad_request", "unknown op"), "unavailable"],
  [new DeadlineError("late"), "timeout"],
  [new Error("closed"), "unavailable"],
])("%s is told as %s", (error, code) => {
  expect(fileFailure(error, "a")).toMatchObject({ name: "Failure", code })
})

it("passes failures on", () => {
  const failure = new Failure("quota_exceeded", "no")
  expect(fileFailure(failure, "a")).toBe(failure)
})
