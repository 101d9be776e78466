import { expect, expectTypeOf, test } from "vitest"
import { OpenSandboxError, unwrap, type CreateResult, type RunResult, type Sandbox } from "./index.js"
import { failure } from "./results.js"

const ran = {
  success: true,
  stdout: "hello\n",
  stderr: "",
  exitCode: 0,
  snapshot: "cmd_1",
  stdoutTruncated: false,
  stderrTruncated: false,
} as const satisfies RunResult

/** As results come: nobody knows yet which of the two it is. */
const result = (value: RunResult): RunResult => value

test("a success is given as it is", () => {
  const success = result(ran)
  expect(unwrap(success)).toBe(success)
  expect(unwrap(result(ran)).stdout).toBe("hello\n")
  expectTypeOf(unwrap(result(ran)).snapshot).toEqualTypeOf<string>()
  expectTypeOf(unwrap<CreateResult>)
    .returns.toHaveProperty("sandbox")
    .toEqualTypeOf<Sandbox>()
})

test("a failure is thrown as an error with its text, its code and all that it tells", () => {
  const killed = { ...failure("timeout", "killed after 1 s"), stdout: "half", stderr: "" }
  const thrown = catchError(() => unwrap(result(killed)))
  expect(thrown).toBeInstanceOf(OpenSandboxError)
  expect(thrown).toMatchObject({
    name: "OpenSandboxError",
    message: "killed after 1 s",
    code: "timeout",
    failure: killed,
  })
})

function catchError(action: () => unknown): unknown {
  try {
    action()
  } catch (error) {
    return error
  }
  return undefined
}
